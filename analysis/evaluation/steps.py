"""What each step of Elves is worth: every codec that it may choose from, on every layer, at the published bound."""

from __future__ import annotations

import pyarrow as pa

from analysis.evaluation.subject import Layer, Subject
from analysis.measure import Emit
from elf import payload
from elf.choose import plain_codecs
from elf.codecs.base import Codec, Values
from elf.tensor import DTYPES

SIZES = pa.schema([("number", pa.int32()), ("codec", pa.string()), ("bytes_out", pa.int64())])


def steps_rows(subject: Subject, step: int, emit: Emit) -> None:
    """Emit `sizes`: a row for each layer and codec that takes it, identical layers of the file at the same cost."""
    made: dict[int, dict[str, int]] = {}
    rows = []
    for layer, first in subject.once(list(subject.layers)):
        if layer is first:
            made[layer.number] = _sizes(subject.values(layer), layer, step)
        sizes = made[first.number]
        rows += [{"number": layer.number, "codec": codec, "bytes_out": size} for codec, size in sizes.items()]
    if rows:
        emit("sizes", pa.Table.from_pylist(rows, schema=SIZES))


def _sizes(values: Values, layer: Layer, step: int) -> dict[str, int]:
    """Payload bytes by codec; Elf's step is twice its bound."""
    codecs = plain_codecs(1 - step if layer.eligible else None)
    coded = layer.tensor.dtype if DTYPES[layer.tensor.dtype].numpy is not None else "u8"
    sizes = {codec.name: _size(values, layer, codec) for codec in codecs if codec.applies(coded)}
    return {name: size for name, size in sizes.items() if size is not None}


def _size(values: Values, layer: Layer, codec: Codec) -> int | None:
    total = 0
    for piece in payload.encode_pieces(values, layer.tensor.dtype, layer.tensor.shape, codec):
        if piece is None:
            return None
        total += len(piece)
    return total
