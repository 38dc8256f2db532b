"""Stored: the bytes as they are. Nothing is ever larger than this by more than its header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Codec, Values
from elf.errors import ElfError


@dataclass(frozen=True)
class Stored(Codec):
    """The identity."""

    name = "stored"

    def encode(self, values: Values, dtype: str) -> bytes:
        return values.tobytes()

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        if len(data) != out.nbytes:
            raise ElfError(f"damaged data: {len(data)} bytes for a block of {out.nbytes}")
        out[:] = np.frombuffer(data, out.dtype)
