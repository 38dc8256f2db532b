"""Layers coded alone and against their match in a related file; every coded byte is decoded and compared.

A layer is one payload of `elf.payload` (head, block index and checksums counted), except under `patch-from`, where it
is one zstd frame. Nothing here falls back to plain bytes: whoever adds up takes the smaller of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.measure import FAILURES, Emit
from analysis.relatives.pairing import Slot, changed, slots
from elf import payload
from elf.codecs.base import Codec, Values
from elf.codecs.delta import Delta, Difference, Xor
from elf.codecs.split import Split
from elf.codecs.zstd import Zstd
from elf.coding import typed
from elf.errors import ElfError
from elf.formats.base import ModelFile
from elf.tensor import DTYPES

ALONE: tuple[Codec, ...] = (Split(), Zstd())
"""What deltas are seen beside: the same float codec without a relative, and zstd."""

DELTAS: dict[str, Delta] = {"xor": Xor(), "difference": Difference()}

PIECE_BYTES = 1 << 26
"""Bytes of a layer in one payload at most."""

PATCH_FROM = "patch-from"
PATCH_LEVEL = 3
PATCH_LIMIT = 200_000_000
"""Bytes of base and target together beyond which patch-from is not tried: zstd holds both in memory."""

CODES = pa.schema([("index", pa.int64()), ("codec", pa.string()), ("bytes_in", pa.int64()), ("bytes_out", pa.int64())])
LAYER_DELTAS = pa.schema(
    [
        ("base_index", pa.int64()),  # places in the two files' lists of tensors
        ("index", pa.int64()),
        ("base_content", pa.string()),  # XXH3-128, hexadecimal
        ("content", pa.string()),
        ("codec", pa.string()),
        ("bytes_in", pa.int64()),
        ("bytes_out", pa.int64()),
    ]
)
FILE_DELTAS = pa.schema([("codec", pa.string()), ("bytes_in", pa.int64()), ("bytes_out", pa.int64())])

Bytes = NDArray[np.uint8]


def code_alone(model: ModelFile, emit: Emit) -> None:
    """Emit `codes`: each layer with bytes of its own by each codec of ALONE that takes its dtype."""
    rows = []
    for index, tensor in enumerate(model.tensors):
        if tensor.alias_of is None and tensor.nbytes:
            for codec in ALONE:
                if codec.applies(tensor.dtype):
                    values = typed(model.bytes(tensor), tensor.dtype)
                    size = _coded_size(values, tensor.dtype, tensor.shape, codec)
                    rows.append({"index": index, "codec": codec.name, "bytes_in": tensor.nbytes, "bytes_out": size})
            model.release()
    emit("codes", pa.Table.from_pylist(rows, schema=CODES))


def code_deltas(files: Sequence[ModelFile], method: str, emit: Emit) -> None:
    """Emit `layer_deltas`: each changed layer of the second file against its match in the first by one method.

    patch-from also emits `file_deltas`: the whole file against the other, and the same zstd level without it.
    """
    if method == PATCH_FROM and patch_version() is None:
        _fail(emit, method, "NotInstalled", "pyzstd is not installed; pip install -r requirements-peers.lock adds it")
        return
    rows = []
    for base, target in _once(slots(files[0]), slots(files[1])):
        try:
            rows.append(_delta_row(files, base, target, method))
        except ElfError as error:
            _fail(emit, method, "NotLossless", f"layer {target.name!r}: {error}")
        for model in files:
            model.release()
    emit("layer_deltas", pa.Table.from_pylist(rows, schema=LAYER_DELTAS))
    if method == PATCH_FROM:
        _code_files(files[0].part(0), files[1].part(0), emit)


def _once(a: Sequence[Slot], b: Sequence[Slot]) -> Iterator[tuple[Slot, Slot]]:
    """Changed layers whose content the base's file does not hold, each content once."""
    seen = {slot.content for slot in a}
    for base, target in changed(a, b):
        if target.content not in seen:
            seen.add(target.content)
            yield base, target


def _delta_row(files: Sequence[ModelFile], base: Slot, target: Slot, method: str) -> dict[str, Any]:
    one, two = (model.bytes(model.tensors[slot.index]) for model, slot in zip(files, (base, target), strict=True))
    if method == PATCH_FROM:
        size = _patch_size(one, two, PATCH_LEVEL)
    else:
        codec = DELTAS[method].against(typed(one, target.dtype))
        size = _coded_size(typed(two, target.dtype), target.dtype, target.shape, codec)
    return {
        "base_index": base.index,
        "index": target.index,
        "base_content": base.content,
        "content": target.content,
        "codec": method,
        "bytes_in": target.bytes,
        "bytes_out": size,
    }


def _coded_size(values: Values, dtype: str, shape: tuple[int, ...], codec: Codec) -> int:
    """Bytes of one payload, or of several behind each other where the layer is large: memory is bounded by one."""
    step = PIECE_BYTES // values.itemsize
    if values.size <= step or DTYPES[dtype].numpy is None:
        return _payload_size(values, dtype, shape, codec)
    pieces = (slice(start, start + step) for start in range(0, values.size, step))
    return sum(_piece_size(values, dtype, codec, piece) for piece in pieces)


def _piece_size(values: Values, dtype: str, codec: Codec, piece: slice) -> int:
    part = values[piece]
    return _payload_size(part, dtype, part.shape, codec.matching(lambda whole: whole[piece]))


def _payload_size(values: Values, dtype: str, shape: tuple[int, ...], codec: Codec) -> int:
    """Bytes of the payload. Raises ElfError when it does not decode to the same bits."""
    data = payload.encode(values, dtype, shape, codec)
    assert data is not None  # these codecs take any values
    relative = codec.relative if isinstance(codec, Delta) else None
    restored = payload.Payload(data).decode(relative=relative)
    if not np.array_equal(restored.view(np.uint8), values.view(np.uint8)):
        raise ElfError(f"{codec.name} does not give the same bits back")
    return len(data)


def patch_version() -> str | None:
    """The version of pyzstd, the one binding that offers zstd's prefixes, which --patch-from is; None without it."""
    try:
        return version("pyzstd")
    except PackageNotFoundError:
        return None


def _code_files(base: Bytes, target: Bytes, emit: Emit) -> None:
    """The files themselves; external data is not looked at."""
    try:
        sizes = {PATCH_FROM: _patch_size(base, target, PATCH_LEVEL), "zstd": _patch_size(base[:0], target, PATCH_LEVEL)}
    except ElfError as error:
        _fail(emit, PATCH_FROM, "NotMeasured", f"the whole file: {error}")
        return
    rows = [{"codec": codec, "bytes_in": target.size, "bytes_out": size} for codec, size in sizes.items()]
    emit("file_deltas", pa.Table.from_pylist(rows, schema=FILE_DELTAS))


def _patch_size(base: Bytes, target: Bytes, level: int) -> int:
    """Bytes of one zstd frame of `target` with `base` as prefix, with long-distance matching and a window over both."""
    import pyzstd

    if base.size + target.size > PATCH_LIMIT:
        raise ElfError(f"base and target have {base.size + target.size} bytes, patch-from is tried up to {PATCH_LIMIT}")
    log = max(10, int(base.size + target.size).bit_length())
    parameter = pyzstd.CParameter
    options: dict[int, int] = {
        parameter.compressionLevel: level,
        parameter.enableLongDistanceMatching: 1,
        parameter.windowLog: log,
    }
    # 8 bytes is the least that zstd takes as a prefix
    prefix = pyzstd.ZstdDict(base.tobytes(), is_raw=True).as_prefix if base.size >= 8 else None
    frame = pyzstd.compress(target.data, options, prefix)
    restored = pyzstd.decompress(frame, prefix, {pyzstd.DParameter.windowLogMax: max(log, 27)})
    if not np.array_equal(np.frombuffer(restored, np.uint8), target):
        raise ElfError("patch-from does not give the same bytes back")
    return len(frame)


def _fail(emit: Emit, method: str, error: str, reason: str) -> None:
    emit("failures", pa.Table.from_pylist([{"method": method, "error": error, "reason": reason}], schema=FAILURES))


def zstd_version() -> str:
    """Of the zstd library that codes planes and frames."""
    import zstandard

    return ".".join(map(str, zstandard.ZSTD_VERSION))
