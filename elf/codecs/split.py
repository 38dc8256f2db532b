"""Float split: exponents apart from mantissas, because exponents repeat and low mantissa bits do not.

The two highest mantissa bits stay with the exponent: they depend on it (the density of weights falls within an octave),
which a split exactly at the field's boundary, as ZipNN does it, gives away.
"""

from __future__ import annotations

from dataclasses import dataclass

from elf.codecs.base import FLOATS, Codec, Values, bits_of
from elf.codecs.planes import Codes, decode_planes, encode_planes

MANTISSA = {"f16": 10, "bf16": 7, "f32": 23, "f64": 52}
"""Width of the mantissa field in bits."""


@dataclass(frozen=True)
class Split(Codec):
    """Planes over the bit patterns with the sign turned to the lowest bit."""

    name = "split"

    def applies(self, dtype: str) -> bool:
        return dtype in FLOATS

    def encode(self, values: Values, dtype: str) -> bytes:
        codes = sign_last(bits_of(values))
        return encode_planes(codes, MANTISSA[dtype] - 1, int(codes.max()).bit_length())

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        bits = bits_of(out)
        decode_planes(data, bits)
        sign_first(bits)


def sign_last(bits: Codes) -> Codes:
    """A copy with the highest bit turned to the lowest place."""
    return (bits << bits.dtype.type(1)) | (bits >> bits.dtype.type(bits.dtype.itemsize * 8 - 1))


def sign_first(codes: Codes) -> None:
    """The inverse of `sign_last`, in place."""
    sign = codes << codes.dtype.type(codes.dtype.itemsize * 8 - 1)
    codes >>= codes.dtype.type(1)
    codes |= sign
