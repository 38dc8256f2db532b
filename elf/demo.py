"""What Elf does to real tensors, as tables: the data of notebook 07.

    python -m elf.demo FOLDER NAME=FILE:TENSOR ...

writes tensors.csv, bits.csv, errors.csv and bounds.csv into FOLDER, some rows for each f32 tensor that is named.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.bound import OWN_BOUND
from elf.choose import candidates, choose
from elf.codecs.elf import Elf
from elf.codecs.widths import narrow, widen
from elf.codecs.zstd import Zstd
from elf.coding import typed
from elf.errors import ElfError
from elf.files import replacing
from elf.formats import open_model
from elf.payload import Payload, encode
from elf.rule import Rule, after
from elf.tensor import Tensor

Row = dict[str, object]
Values = NDArray[np.float32]

STEPS = range(-24, -7)
BINS = 17
"""Each in the middle of a multiple of an eighth of the bound: large floats have no other errors."""


def main(arguments: Sequence[str]) -> int:
    """Write the tables. Raises ElfError when a file or tensor is not there or not f32."""
    folder, *wanted = arguments
    found = [(name, *_load(name, place)) for name, _, place in (item.partition("=") for item in wanted)]
    for title, rows in (("tensors", _tensors), ("bits", _bits), ("errors", _errors), ("bounds", _bounds)):
        table = [{"name": name, **row} for name, tensor, values in found for row in rows(tensor, values)]
        _write(Path(folder) / f"{title}.csv", table)
    return 0


def _load(name: str, place: str) -> tuple[Tensor, Values]:
    path, _, wanted = place.rpartition(":")
    with open_model(Path(path)) as model:
        for tensor in model.tensors:
            if tensor.name == wanted and tensor.dtype == "f32":
                return tensor, np.array(typed(model.bytes(tensor), "f32"))
    raise ElfError(f"{path}: has no f32 tensor {wanted!r} for {name!r}")


def _coded(values: Values, step: int) -> tuple[int, Values]:
    """Bytes, and the values that come back."""
    data = encode(values, "f32", values.shape, Elf(step))
    assert data is not None  # Elf takes every float
    return len(data), Payload(data).decode()


def _tensors(tensor: Tensor, values: Values) -> Iterator[Row]:
    """What Elf at its own bound makes of a tensor, whatever the rule says, beside the best without loss."""
    size, back = _coded(values, -23)
    decision = after(Rule().before(tensor), values, "f32")
    lossless = choose(values, "f32", values.shape, candidates(values, "f32"))
    plain = encode(values, "f32", values.shape, Zstd())
    error = back.astype(np.float64) - values
    yield {
        "tensor": tensor.name, "role": tensor.role, "n_params": values.size, "n_nonzero": np.count_nonzero(values),
        "n_made_zero": np.count_nonzero((values != 0) & (back == 0)), "rms": _rms(values), "rms_error": _rms(error),
        "max_abs_error": np.abs(error).max(), "bytes_in": values.nbytes, "bytes_elf": size,
        "bytes_lossless": len(lossless), "codec_lossless": Payload(lossless).head.codec.name,
        "bytes_zstd": len(plain or b""), "lossy": decision.bound is not None, "reason": decision.reason,
    }  # fmt: skip


def _bits(_: Tensor, values: Values) -> Iterator[Row]:
    """How often each bit is set: of the floats, and of Elf's codes, highest bit first."""
    codes = (np.rint(np.abs(values.astype(np.float64)) * 2.0**23).astype(np.uint64) << np.uint64(1)) | np.signbit(
        values
    )
    for stage, bits, width in (("f32", values.view(np.uint32), 32), ("elf", codes.astype(np.uint32), 24)):
        for bit in reversed(range(width)):
            ones = np.count_nonzero(bits >> np.uint32(bit) & np.uint32(1))
            yield {"stage": stage, "bit": bit, "field": _field(stage, bit), "n_ones": ones, "n_params": values.size}


def _field(stage: str, bit: int) -> str:
    if stage == "elf":
        return "sign" if bit == 0 else "magnitude"
    return "sign" if bit == 31 else "exponent" if bit > 22 else "mantissa"


def _errors(_: Tensor, values: Values) -> Iterator[Row]:
    """Errors at Elf's own bound, in units of it."""
    bound = OWN_BOUND["f32"].value
    errors = (_coded(values, -23)[1].astype(np.float64) - values) / bound
    counts, edges = np.histogram(errors, BINS, (-BINS / 16, BINS / 16))
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        yield {"low": low, "high": high, "count": count}


def _bounds(_: Tensor, values: Values) -> Iterator[Row]:
    """Size and error at many bounds, and what a cast to a narrower float and lossless coding give."""
    for step in STEPS:
        size, back = _coded(values, step)
        yield {"method": "elf", "step": step, **_loss(values, back, size)}
    for dtype in ("f16", "bf16"):
        cast = narrow(values, dtype)
        size = len(choose(cast, dtype, cast.shape, candidates(cast, dtype)))
        yield {"method": dtype, "step": "", **_loss(values, widen(cast, dtype), size)}


def _loss(values: Values, back: NDArray[Any], size: int) -> Row:
    error = back.astype(np.float64) - values
    return {"n_params": values.size, "bytes_out": size, "max_abs_error": np.abs(error).max(), "rms_error": _rms(error),
            "rms": _rms(values)}  # fmt: skip


def _rms(values: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(values.astype(np.float64)))))


def _write(path: Path, rows: Sequence[Row]) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        floats = {key: f"{value:.9g}" for key, value in row.items() if isinstance(value, float)}
        writer.writerow(row | floats)
    with replacing(path) as (file,):
        file.write(stream.getvalue().encode())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
