"""Narrow: wide floats that hold nothing but narrow ones, coded as narrow ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Codec, Values, bits_of
from elf.codecs.nested import decode_best, encode_best
from elf.codecs.varint import Reader
from elf.codecs.widths import narrow, widen
from elf.errors import ElfError
from elf.tensor import DTYPES

TARGETS = ("bf16", "f16", "f32")
"""In coded bytes a dtype is named by its place here."""
_UNUSED = {"f32": (1 << 13) - 1, "f64": (1 << 29) - 1}
"""Mantissa bits that are zero in every value that any of the targets can hold."""

_LOOK = 256


@dataclass(frozen=True)
class Narrow(Codec):
    """f32 as f16 or bf16, f64 as f16, bf16 or f32, whichever is smallest of those that give every bit back."""

    name = "narrow"

    def applies(self, dtype: str) -> bool:
        return dtype in ("f32", "f64")

    def encode(self, values: Values, dtype: str) -> bytes | None:
        low = bits_of(values)[:_LOOK] & bits_of(values).dtype.type(_UNUSED[dtype])
        if low.any():
            return None
        coded = []
        for index, target in enumerate(TARGETS[: 2 if dtype == "f32" else 3]):
            if _exact(values, dtype, target):
                coded.append(bytes([index]) + encode_best(narrow(values, target), target))
        return min(coded, key=len, default=None)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        reader = Reader(data)
        index = reader.take(1)[0]
        if index >= (2 if dtype == "f32" else 3):
            raise ElfError(f"damaged data: no dtype of number {index} narrower than {dtype}")
        short = np.empty(out.size, DTYPES[TARGETS[index]].numpy)
        decode_best(reader.rest(), short, TARGETS[index])
        out[:] = _back(short, TARGETS[index], dtype)


def _exact(values: Values, dtype: str, target: str) -> bool:
    return np.array_equal(bits_of(_back(narrow(values, target), target, dtype)), bits_of(values))


def _back(short: Values, target: str, dtype: str) -> Values:
    return narrow(widen(short, target), dtype)
