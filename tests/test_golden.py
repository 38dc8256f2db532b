"""Payloads written by earlier versions of the library, kept in `tests/golden`, decode to the same values for ever.

Nothing here writes these files. `python -m tests.test_golden NAME` prints what the library writes today for a new one,
as text; a file that is there is never replaced, because what people have stored is not replaced either.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from numpy.typing import NDArray

from elf import payload
from elf.codecs import CODECS
from elf.codecs.base import Codec
from elf.codecs.delta import Delta
from elf.codecs.elf import Elf
from elf.payload import Payload
from elf.tensor import DTYPES
from tests.codecs.samples import same_bits

GOLDEN = Path(__file__).parent / "golden"
COUNT = 200
BLOCK_BYTES = 512


def pattern(dtype: str, name: str) -> NDArray[Any]:
    """Values from integer arithmetic alone, the same on every machine, of the kind that codec `name` is for."""
    numpy = DTYPES[dtype].numpy
    assert numpy is not None
    width = 8 * numpy.itemsize
    mixed = [(i * 0x9E3779B97F4A7C15 + (i * i << 17)) % (1 << 64) for i in range(1, COUNT + 1)]
    if name in ("constant", "sparse", "table"):
        every = {"constant": COUNT, "sparse": 10, "table": 1}[name]
        mixed = [mixed[i % 3 + 1] if i % every == 0 else mixed[1] for i in range(COUNT)]
    exponent, mantissa = {"f16": (5, 10), "bf16": (8, 7), "f32": (8, 23), "f64": (11, 52)}.get(dtype, (0, 0))
    if not mantissa:
        scale = 8 if name == "strip" else 1
        return np.array([number % 1000 * scale for number in mixed], f"<u{numpy.itemsize}").view(numpy)
    low = {"strip": mantissa // 2, "narrow": mantissa - 6}.get(name, 0)
    bias = (1 << (exponent - 1)) - 1
    fields = [(number >> 63, bias - 1 - number % 6, (number >> 8) % (1 << mantissa) >> low << low) for number in mixed]
    bits = [(sign << (width - 1)) | (power << mantissa) | rest for sign, power, rest in fields]
    return np.array(bits, f"<u{numpy.itemsize}").view(numpy)


CASES: dict[str, tuple[Codec, str]] = {
    **{f"{n}-{d}": (codec(), d) for n, codec in CODECS.items() for d in ("f32", "f16", "i64") if codec().applies(d)},
    **{f"elf{step}-{d}": (Elf(step), d) for d, step in (("bf16", -9), ("f32", -12), ("f64", -52), ("f64", -20))},
    "split-bf16": (CODECS["split"](), "bf16"),
    "split-f64": (CODECS["split"](), "f64"),
}  # fmt: skip


def written(case: str) -> bytes:
    """What the library writes today."""
    codec, dtype = CASES[case]
    values = pattern(dtype, codec.name)
    if isinstance(codec, Delta):
        codec = codec.against(values[::-1].copy())
    data = payload.encode(values, dtype, (2, COUNT // 2), codec, block_bytes=BLOCK_BYTES)
    assert data is not None
    return data


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("v*/*.hex")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_was_written_once_decodes_to_the_same_values(path: Path) -> None:
    codec, dtype = CASES[path.stem]
    values = pattern(dtype, codec.name)
    digest, *lines = path.read_text().split()
    opened = Payload(bytes.fromhex("".join(lines)))
    assert (opened.head.codec, opened.head.dtype, opened.head.shape) == (codec, dtype, (2, COUNT // 2))
    back = opened.decode(relative=values[::-1].copy())
    assert f"{xxhash.xxh3_64_hexdigest(back.tobytes())}" == digest
    assert not codec.lossless or same_bits(back, values)


def test_there_is_a_golden_file_for_every_case_and_version() -> None:
    assert {path.stem for path in (GOLDEN / f"v{payload.VERSION}").glob("*.hex")} == set(CASES)


def test_what_depends_on_no_other_library_is_written_byte_for_byte_as_before() -> None:
    for case in ("stored-f32", "constant-f32", "distance-f16", "elf-f32"):
        _, *lines = (GOLDEN / f"v{payload.VERSION}" / f"{case}.hex").read_text().split()
        assert written(case).hex() == "".join(lines)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        data = written(name)
        codec, dtype = CASES[name]
        decoded = Payload(data).decode(relative=pattern(dtype, codec.name)[::-1].copy())
        text = data.hex()
        lines = [xxhash.xxh3_64_hexdigest(decoded.tobytes()), *(text[i : i + 100] for i in range(0, len(text), 100))]
        sys.stdout.write("\n".join(lines) + "\n")
