"""Codes as planes whose boundaries follow the data: random low bits packed raw, the bits above them entropy-coded.

A block of `bits`-bit codes has its lowest `low` bits in planes of 8, then 4, 2 and 1 bits, and the rest in planes of 8.
`low` is the caller's guess where randomness ends; a plane that the entropy stage does not shorten is stored as it is,
and when no plane above `low` gains, all bits are packed at exactly their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.codecs.entropy import expand, squeeze
from elf.codecs.varint import Bytes, Reader, varint
from elf.errors import ElfError

Codes = NDArray[np.unsignedinteger[Any]]


def encode_planes(codes: Codes, low: int, bits: int, before: bytes = b"") -> bytes:
    """Code unsigned integers below 2^bits, behind `before`; `low` beyond `bits` counts as `bits`."""
    low = min(low, bits)
    data = join([_take(codes, shift, width) for shift, width in _layout(low, bits)], low, bits, before)
    packed = len(before) - (-codes.size * bits // 8) + len(_layout(bits, bits))
    return data if len(data) < packed or low == bits else encode_planes(codes, bits, bits, before)


def join(planes: Iterable[NDArray[np.uint8]], low: int, bits: int, before: bytes = b"") -> bytes:
    """The bytes of planes that are already taken out, behind `before`."""
    pieces: list[Bytes] = [before, bytes([low, bits])]
    for plane in planes:
        kind, kept = squeeze(plane.data)
        pieces += varint(1 + len(kept)), kind, kept
    return b"".join(pieces)


def decode_planes(data: memoryview, codes: Codes) -> None:
    """Fill `codes`. Raises ElfError when `data` is damaged."""
    from elf.kernels.planes import put

    codes[:] = 0
    for plane, (shift, width) in split(data, codes.size, codes.dtype.itemsize * 8):
        put(plane, codes.dtype.type(shift), width, codes)


def split(data: memoryview, count: int, word: int) -> list[tuple[NDArray[np.uint8], tuple[int, int]]]:
    """The planes of `count` codes of at most `word` bits, each with its shift and width."""
    reader = Reader(data)
    low, bits = reader.take(2)
    if not low <= bits <= word:
        raise ElfError(f"damaged data: {low} of {bits} bits in a word of {word}")
    planes = []
    for shift, width in _layout(low, bits):
        raw = expand(reader.prefixed(), -(-count * width // 8))
        planes.append((np.frombuffer(raw, np.uint8), (shift, width)))
    reader.end()
    return planes


@cache
def _layout(low: int, bits: int) -> list[tuple[int, int]]:
    """Shift and width of every plane, from the lowest bit up."""
    widths = [8] * (low // 8) + [width for width in (4, 2, 1) if low % 8 & width] + [8] * -(-(bits - low) // 8)
    return [(sum(widths[:i]), width) for i, width in enumerate(widths)]


def _take(codes: Codes, shift: int, width: int) -> NDArray[np.uint8]:
    from elf.kernels.planes import take

    plane = np.empty(-(-codes.size * width // 8), np.uint8)
    take(codes, codes.dtype.type(shift), width, plane)
    return plane
