"""Sparse: where one frequent value is not, and what is there instead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Codec, Values, bits_of
from elf.codecs.nested import decode_best, encode_best
from elf.codecs.varint import Reader, prefixed, varint
from elf.errors import ElfError
from elf.tensor import DTYPES


@dataclass(frozen=True)
class Sparse(Codec):
    """The frequent value, the number of the others, the gaps between them, and the others."""

    name = "sparse"

    def applies(self, dtype: str) -> bool:
        numpy = DTYPES[dtype].numpy
        return numpy is not None and numpy.kind != "c"

    def encode(self, values: Values, dtype: str) -> bytes | None:
        bits = bits_of(values)
        frequent = np.partition(bits, bits.size // 2)[bits.size // 2]  # a value that fills half a block is its median
        places = np.flatnonzero(bits != frequent)
        if 2 * places.size > bits.size:
            return None
        gaps = np.diff(places, prepend=-1).astype("<u4")
        head: bytes = frequent.tobytes() + varint(places.size)
        return head + prefixed(encode_best(gaps, "u32")) + encode_best(values[places], dtype)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        reader = Reader(data)
        out[:] = np.frombuffer(reader.take(out.itemsize), out.dtype)
        count = reader.varint()
        if 2 * count > out.size:
            raise ElfError(f"damaged data: {count} of {out.size} values are not the frequent one")
        gaps, others = np.empty(count, "<u4"), np.empty(count, out.dtype)
        decode_best(reader.prefixed(), gaps, "u32")
        decode_best(reader.rest(), others, dtype)
        places = np.cumsum(gaps, dtype=np.int64) - 1
        if count and not 0 <= places[0] <= places[-1] < out.size:
            raise ElfError(f"damaged data: a value at {places[-1]} of {out.size}")
        out[places] = others
