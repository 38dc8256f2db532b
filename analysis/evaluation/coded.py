"""A peer on the eligible layers of a file: bytes with all that decoding needs, and the error after decoding.

Every stream is framed as a payload of Elves is (dtype, shape, length, checksum), so that sizes compare. A stream over
several layers belongs to them in proportion to their parameters; identical layers of a file are in it once. A layer
that a peer refuses, or on which it fails, is kept as it is and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pyarrow as pa

from analysis.evaluation.errors import Errors, errors
from analysis.evaluation.methods import METHODS, OWN, Setting
from analysis.evaluation.subject import Layer, Subject
from analysis.measure import FAILURES, Emit
from elf.codecs.base import Values
from elf.codecs.peers.base import Peer
from elf.codecs.varint import varint
from elf.errors import ElfError
from elf.payload import Head
from elf.tensor import DTYPES

CODED = pa.schema(
    [
        ("number", pa.int32()),  # of the layer in its file
        ("codec", pa.string()),
        ("setting", pa.string()),
        ("step", pa.int32()),  # the bound is 2 ** -step; 0: the method's own
        ("bytes_out", pa.int64()),
        ("refused", pa.bool_()),
        ("max_abs_error", pa.float64()),
        ("sum_sq_error", pa.float64()),
        ("n_changed", pa.int64()),
        ("n_zeroed", pa.int64()),
        ("n_beyond", pa.int64()),
    ]
)

STREAM_BYTES = 1 << 26
"""Layers that are put one after another come in streams of at most so many bytes; a larger layer is one by itself."""

_CHECKSUMS = 20
"""Bytes of a frame behind its head: length and checksum of one block, checksum of the head."""

CAUGHT = (RuntimeError, ValueError, TypeError, MemoryError, ArithmeticError, OSError, LookupError, ElfError)
"""What bindings to native code raise when it fails."""


@dataclass(frozen=True)
class Row:
    """What one setting makes of one layer."""

    number: int
    setting: str
    step: int
    bytes_out: int
    refused: bool = False
    errors: Errors = field(default_factory=Errors)


def peer_rows(subject: Subject, method: str, step: int, emit: Emit) -> None:
    """Emit `coded`, and `failures` where a peer failed, for one method at one bound."""
    for setting in METHODS[method](step):
        run = _together if setting.together else _each
        try:
            emit_rows(method, list(run(subject, setting, step)), emit)
        except CAUGHT as error:
            emit_rows(method, [_kept(layer, setting, step) for layer in subject.eligible], emit)
            said = {"method": f"{method}@{step}, {setting.name}", "error": type(error).__name__}
            reason = " ".join(str(error).split())[:200] or "no reason given"
            emit("failures", pa.Table.from_pylist([said | {"reason": reason}], schema=FAILURES))


def emit_rows(codec: str, rows: list[Row], emit: Emit) -> None:
    """Emit `coded`, unless there is nothing."""
    flat = [{"codec": codec, **vars(row), **asdict(row.errors)} for row in rows]
    if flat:
        emit("coded", pa.Table.from_pylist(flat, schema=CODED))


def bound_of(step: int) -> float:
    """The bound that a step stands for; infinite for a method's own."""
    return float("inf") if step == OWN else 2.0**-step


def _kept(layer: Layer, setting: Setting, step: int) -> Row:
    return Row(layer.number, setting.name, step, layer.tensor.nbytes, refused=True)


def _each(subject: Subject, setting: Setting, step: int) -> Iterator[Row]:
    """Every layer alone; identical ones cost the same again."""
    made: dict[int, Row] = {}
    for layer, first in subject.once(subject.eligible):
        if layer is first:
            made[layer.number] = _alone(subject.values(layer), layer, setting, step)
        known = made[first.number]
        yield replace(known, number=layer.number)


def _alone(values: Values, layer: Layer, setting: Setting, step: int) -> Row:
    tensor = layer.tensor
    codec = setting.codec.shaped(tensor.shape) if setting.natural else setting.codec
    made = coded(codec, values, tensor.dtype)
    if made is None:
        return _kept(layer, setting, step)
    size, after = made
    framed = size + frame_bytes(setting.codec, tensor.dtype, tensor.shape, values.size)
    return Row(layer.number, setting.name, step, framed, errors=errors(values, after, tensor.dtype, bound_of(step)))


def coded(codec: Peer, values: Values, dtype: str) -> tuple[int, Values] | None:
    """Coded bytes and decoded values; None when the codec refuses these."""
    data = codec.encode(values, dtype) if codec.applies(dtype) else None
    if data is None:
        return None
    after = np.empty_like(values)
    codec.decode(memoryview(data), after, dtype)
    return len(data), after


def frame_bytes(codec: Peer, dtype: str, shape: tuple[int, ...], count: int) -> int:
    """What a payload of Elves adds to one block: what it is, its length, its checksums."""
    return len(Head(codec, dtype, shape, dtype, count, max(1, count)).bytes) + _CHECKSUMS


def _together(subject: Subject, setting: Setting, step: int) -> Iterator[Row]:
    """Streams of one dtype and at most STREAM_BYTES each, so that memory is not bounded by the file."""
    for dtype in sorted({layer.tensor.dtype for layer in subject.eligible}):
        pairs = list(subject.once([layer for layer in subject.eligible if layer.tensor.dtype == dtype]))
        rows: dict[int, Row] = {}
        for own in _streams([layer for layer, first in pairs if layer is first]):
            rows |= _stream(subject, own, setting, step)
        for layer, first in pairs:
            yield replace(rows[first.number], number=layer.number)


def _streams(layers: list[Layer]) -> Iterator[list[Layer]]:
    stream: list[Layer] = []
    for layer in layers:
        if stream and sum(other.tensor.nbytes for other in [*stream, layer]) > STREAM_BYTES:
            yield stream
            stream = []
        stream.append(layer)
    yield stream


def _stream(subject: Subject, own: list[Layer], setting: Setting, step: int) -> dict[int, Row]:
    dtype = own[0].tensor.dtype
    ends = np.cumsum([layer.tensor.n_params for layer in own])
    values = np.empty(int(ends[-1]), DTYPES[dtype].numpy)
    for layer, end in zip(own, ends, strict=True):
        values[end - layer.tensor.n_params : end] = subject.values(layer)
    made = coded(setting.codec, values, dtype)
    if made is None:
        return {layer.number: _kept(layer, setting, step) for layer in own}
    shapes = sum(len(varint(number)) for layer in own for number in (len(layer.tensor.shape), *layer.tensor.shape))
    total = made[0] + frame_bytes(setting.codec, dtype, (values.size,), values.size) + shapes
    rows = {}
    for layer, end in zip(own, ends.tolist(), strict=True):
        start = end - layer.tensor.n_params
        share = total * end // values.size - total * start // values.size
        found = errors(values[start:end], made[1][start:end], dtype, bound_of(step))
        rows[layer.number] = Row(layer.number, setting.name, step, share, errors=found)
    return rows
