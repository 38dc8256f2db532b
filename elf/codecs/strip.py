"""Strip: bits that are zero at the low end of every value are dropped, and what remains is coded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import FLOATS, Codec, Values, bits_of
from elf.codecs.nested import decode_best, encode_best
from elf.codecs.planes import decode_planes, encode_planes
from elf.codecs.split import MANTISSA, sign_first, sign_last
from elf.codecs.varint import Reader
from elf.errors import ElfError


@dataclass(frozen=True)
class Strip(Codec):
    """A byte with the number of dropped bits, a byte that says how the rest is coded, and the rest.

    Floats keep their sign at the top while bits are dropped, and are then split like any float, or coded as integers.
    """

    name = "strip"

    def applies(self, dtype: str) -> bool:
        return dtype in FLOATS or dtype[0] in "iu"

    def encode(self, values: Values, dtype: str) -> bytes | None:
        bits = bits_of(values)
        used = int(np.bitwise_or.reduce(bits))
        zeros = (used & -used).bit_length() - 1
        if zeros < 1:
            return None
        short = bits >> bits.dtype.type(zeros)
        data = b"\0" + encode_best(short, f"u{8 * short.itemsize}")
        if dtype in FLOATS:
            codes = sign_last(bits) & ~bits.dtype.type(1)
            codes = (codes >> bits.dtype.type(zeros)) | (bits >> bits.dtype.type(8 * bits.itemsize - 1))
            low = max(0, MANTISSA[dtype] - 1 - zeros)
            data = min(data, b"\1" + encode_planes(codes, low, int(codes.max()).bit_length()), key=len)
        return bytes([zeros]) + data

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        reader = Reader(data)
        zeros, kind = reader.take(2)
        bits = bits_of(out)
        if zeros >= 8 * bits.itemsize or kind > (dtype in FLOATS):
            raise ElfError(f"damaged data: {zeros} zero bits, coded in way {kind}")
        shift = bits.dtype.type(zeros)
        if kind == 0:
            decode_best(reader.rest(), bits, f"u{8 * bits.itemsize}")
            bits <<= shift
            return
        decode_planes(reader.rest(), bits)
        sign = bits & bits.dtype.type(1)
        bits ^= sign
        bits <<= shift
        bits |= sign
        sign_first(bits)
