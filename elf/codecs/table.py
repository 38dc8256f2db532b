"""Table: the distinct values once, in order, and for every value its place among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Codec, Values, bits_of
from elf.codecs.nested import decode_best, encode_best
from elf.codecs.planes import decode_planes, encode_planes
from elf.codecs.varint import Reader, prefixed, varint
from elf.errors import ElfError
from elf.tensor import DTYPES

LARGEST = 1 << 16
_LOOK = 1024


@dataclass(frozen=True)
class Table(Codec):
    """At most 2^16 distinct bit patterns, and at most half as many as there are values.

    Places are kept in planes: below 256 distinct values one byte each, which the entropy stage shortens to their
    order-0 entropy, or exactly ceil(log2(distinct)) bits when that is less.
    """

    name = "table"

    def applies(self, dtype: str) -> bool:
        numpy = DTYPES[dtype].numpy
        return numpy is not None and numpy.kind != "c" and numpy.itemsize > 1

    def encode(self, values: Values, dtype: str) -> bytes | None:
        bits = bits_of(values)
        if np.unique(bits[:: -(-bits.size // _LOOK)]).size > min(bits.size, _LOOK) // 2:
            return None
        distinct, places = np.unique(bits, return_inverse=True)
        if distinct.size > min(LARGEST, bits.size // 2):
            return None
        width = int(distinct.size - 1).bit_length()
        codes = encode_planes(places.astype(np.uint16), max(0, width - 8), width)
        return varint(distinct.size) + prefixed(encode_best(distinct.view(values.dtype), dtype)) + codes

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        reader = Reader(data)
        size = reader.varint()
        if not 1 <= size <= min(LARGEST, out.size):
            raise ElfError(f"damaged data: a table of {size} values for {out.size}")
        distinct = np.empty(size, out.dtype)
        decode_best(reader.prefixed(), distinct, dtype)
        places = np.empty(out.size, np.uint16)
        decode_planes(reader.rest(), places)
        if places.max() >= size:
            raise ElfError(f"damaged data: place {places.max()} in a table of {size} values")
        np.take(distinct, places, out=out)
