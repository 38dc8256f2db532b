"""Sparse: where the one frequent value is not, and what is there instead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Codec, Values, bits_of
from elf.codecs.nested import decode_best, encode_best
from elf.codecs.varint import Reader, prefixed
from elf.errors import ElfError
from elf.tensor import DTYPES


@dataclass(frozen=True)
class Sparse(Codec):
    """The frequent value, a mask of one bit a value for the others, and the others."""

    name = "sparse"

    def applies(self, dtype: str) -> bool:
        numpy = DTYPES[dtype].numpy
        return numpy is not None and numpy.kind != "c"

    def encode(self, values: Values, dtype: str) -> bytes | None:
        bits = bits_of(values)
        frequent = np.partition(bits, bits.size // 2)[bits.size // 2]  # a value that fills half a block is its median
        others = bits != frequent
        if 2 * np.count_nonzero(others) > bits.size:
            return None
        mask = encode_best(np.packbits(others), "u8")
        value: bytes = frequent.tobytes()
        return value + prefixed(mask) + encode_best(values[others], dtype)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        reader = Reader(data)
        frequent = np.frombuffer(reader.take(out.itemsize), out.dtype)
        mask = np.empty(-(-out.size // 8), np.uint8)
        decode_best(reader.prefixed(), mask, "u8")
        others = np.unpackbits(mask, count=out.size).view(np.bool_)
        few = np.empty(np.count_nonzero(others), out.dtype)
        decode_best(reader.rest(), few, dtype)
        if 2 * few.size > out.size:
            raise ElfError(f"damaged data: {few.size} of {out.size} values are not the frequent one")
        out[:] = frequent
        out[others] = few
