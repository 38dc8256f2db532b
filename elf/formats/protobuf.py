"""The protobuf wire format, walked in place: fields as byte ranges (protobuf.dev, "Encoding")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from elf.errors import ElfError
from elf.formats.base import Bytes

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
Span = tuple[int, int]
Field = tuple[int, int, int, int]


def fields(data: memoryview, span: Span) -> Iterator[Field]:
    """The fields of the message in `span`: number, wire type, and start and stop of the payload.

    A varint's payload is its value: (number, VARINT, value, 0). Raises ElfError for whatever runs over the end.
    """
    at, stop = span
    while at < stop:
        key, at = varint(data, at, stop)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = varint(data, at, stop)
            yield number, kind, value, 0
            continue
        if kind == LENGTH:
            size, at = varint(data, at, stop)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ElfError(f"protobuf wire type {kind} at byte {at}")
        if number == 0 or size > stop - at:
            raise ElfError(f"protobuf field {number} at byte {at} claims {size} bytes of {stop - at}: truncated?")
        yield number, kind, at, at + size
        at += size


def varint(data: memoryview, at: int, stop: int) -> tuple[int, int]:
    """The unsigned integer at `at`, and where it ends. Raises ElfError if it has no end before `stop`."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= stop:
            raise ElfError(f"a protobuf number is cut off at byte {at}")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ElfError(f"a protobuf number before byte {at} is longer than ten bytes")


def signed(value: int) -> int:
    """A varint as int64."""
    return value - (1 << 64) if value >> 63 else value


def text(data: memoryview, span: Span) -> str:
    """A string field; bytes that are not UTF-8 are kept as escapes."""
    return bytes(data[slice(*span)]).decode("utf-8", "backslashreplace")


def packed_varints(chunks: Sequence[Bytes]) -> NDArray[np.uint64]:
    """The numbers of a packed field, modulo 2^64: uint64, shape (count,)."""
    raw = np.concatenate([np.empty(0, np.uint8), *chunks])
    ends = np.flatnonzero(raw < 0x80)
    if ends.size == 0 or ends[-1] != raw.size - 1:
        if raw.size == 0:
            return np.empty(0, np.uint64)
        raise ElfError("a packed protobuf number is cut off")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 10:
        raise ElfError("a packed protobuf number is longer than ten bytes")
    values = np.zeros(ends.size, np.uint64)
    for step in range(int(lengths.max())):
        reach = lengths > step
        values[reach] |= (raw[starts[reach] + step] & 0x7F).astype(np.uint64) << np.uint64(7 * step)
    return values
