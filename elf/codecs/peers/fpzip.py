"""fpzip: predicts each float from its neighbours (Lorenzo) and codes the difference; made for fields of physics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer, damage, fill

RANK = 4
"""Dimensions that fpzip knows."""


@dataclass(frozen=True)
class Fpzip(Peer):
    """One fpzip stream a block, every bit kept; in the natural shape where it was given, else one-dimensional."""

    name = "fpzip"
    package = "fpzip"
    fragile = True

    def applies(self, dtype: str) -> bool:
        return dtype in {"f32", "f64"}

    def encode(self, values: Values, dtype: str) -> bytes:
        import fpzip

        return bytes(fpzip.compress(np.require(values.reshape(self._natural(values.size)), requirements="ACW")))

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import fpzip

        with damage(RuntimeError, ValueError, MemoryError, fpzip.FpzipError):
            if len(data) < 28:
                raise ValueError("cut short")
            found = fpzip.decompress(bytes(data))
            raw = np.ascontiguousarray(found, out.dtype).tobytes() if found.dtype == out.dtype else b""
        fill(out, raw)

    def _natural(self, size: int) -> tuple[int, ...]:
        """The shape, leading axes taken together where there are too many."""
        shape = self.shape if math.prod(self.shape) == size and self.shape else (size,)
        return (
            (math.prod(shape[: len(shape) - RANK + 1]), *shape[len(shape) - RANK + 1 :]) if len(shape) > RANK else shape
        )
