"""Packed: integers in planes, at a boundary that follows their mean length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Codec, Values, bits_of
from elf.codecs.planes import Codes, decode_planes, encode_planes

HEADROOM = 3
"""So many bits below the mean length bits are random: about what the entropy coder could still win is a thousandth."""


@dataclass(frozen=True)
class Packed(Codec):
    """Planes over the bit patterns taken as integers; signed ones alternate (0, -1, 1, -2, ...)."""

    name = "packed"

    def encode(self, values: Values, dtype: str) -> bytes:
        bits = bits_of(values)
        return pack(alternate(bits) if dtype.startswith("i") else bits)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        bits = bits_of(out)
        decode_planes(data, bits)
        if dtype.startswith("i"):
            unalternate(bits)


def pack(codes: Codes) -> bytes:
    """Planes with the boundary where the codes ask for it."""
    lengths = np.frexp(codes.astype(np.float64))[1]
    low = max(0, round(int(lengths.sum(dtype=np.int64)) / codes.size) - HEADROOM)
    return encode_planes(codes, low, int(codes.max()).bit_length())


def alternate(bits: Codes) -> Codes:
    """Two's complement to integers whose size is that of the magnitude; the sign becomes the lowest bit."""
    one = bits.dtype.type(1)
    negative = np.negative(bits >> bits.dtype.type(bits.dtype.itemsize * 8 - 1))
    codes: Codes = (bits << one) ^ negative
    return codes


def unalternate(codes: Codes) -> None:
    """The inverse of `alternate`, in place."""
    one = codes.dtype.type(1)
    negative = np.negative(codes & one)
    codes >>= one
    codes ^= negative
