"""Constant: one value, over and over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Codec, Values, bits_of
from elf.errors import ElfError


@dataclass(frozen=True)
class Constant(Codec):
    """The bytes of the one bit pattern that the block holds."""

    name = "constant"

    def encode(self, values: Values, dtype: str) -> bytes | None:
        items = bits_of(values).reshape(values.size, -1)
        return items[0].tobytes() if (items == items[0]).all() else None

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        if len(data) != out.itemsize:
            raise ElfError(f"damaged data: {len(data)} bytes for a value of {out.itemsize}")
        bits = bits_of(out)
        bits.reshape(out.size, -1)[:] = np.frombuffer(data, bits.dtype)
