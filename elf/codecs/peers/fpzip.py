"""fpzip: predicts each float from its neighbours (Lorenzo) and codes the difference; made for fields of physics.

Version 1.2.5 writes beyond its buffer, which is as large as its input, when values do not compress. So it is handed
zeros behind the values, which cost some bytes in all and make the buffer long enough; this leaves one dimension only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer, damage, fill

HEAD_BYTES = 28


@dataclass(frozen=True)
class Fpzip(Peer):
    """One fpzip stream a block, every bit kept."""

    name = "fpzip"
    package = "fpzip"
    fragile = True

    def applies(self, dtype: str) -> bool:
        return dtype in {"f32", "f64"}

    def encode(self, values: Values, dtype: str) -> bytes:
        import fpzip

        return bytes(fpzip.compress(np.concatenate([values, np.zeros(_room(values.size), values.dtype)])))

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import fpzip

        with damage(RuntimeError, ValueError, MemoryError, fpzip.FpzipError):
            if len(data) < HEAD_BYTES:
                raise ValueError("cut short")
            found = fpzip.decompress(bytes(data)).reshape(-1)
            if found.dtype != out.dtype or found.size != out.size + _room(out.size):
                raise ValueError(f"{found.size} values of {found.dtype}")
            raw = found[: out.size].tobytes()
        fill(out, raw)


def _room(count: int) -> int:
    """Zeros behind so many values."""
    return count // 4 + 64
