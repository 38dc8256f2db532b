"""Blosc2: bytes or bits of the elements transposed, block by block in cache, then zstd."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer, damage, fill
from elf.tensor import DTYPES

LARGEST = (1 << 31) - 33
"""Bytes that one Blosc2 buffer holds."""


@dataclass(frozen=True)
class Blosc2(Peer):
    """One Blosc2 chunk a block; `filter` 0: none, 1: byte shuffle, 2: bit shuffle; then zstd at `level` 1 to 9."""

    name = "blosc2"
    package = "blosc2"
    settings = ({"level": 1, "filter": 1}, {"level": 5, "filter": 2})
    level: int = 1
    filter: int = 1

    def applies(self, dtype: str) -> bool:
        return DTYPES[dtype].numpy is not None

    def encode(self, values: Values, dtype: str) -> bytes | None:
        import blosc2

        if values.nbytes > LARGEST:
            return None
        how = [blosc2.Filter.NOFILTER, blosc2.Filter.SHUFFLE, blosc2.Filter.BITSHUFFLE][self.filter]
        return bytes(
            blosc2.compress2(
                values, typesize=values.itemsize, clevel=self.level, codec=blosc2.Codec.ZSTD, filters=[how], nthreads=1
            )
        )

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import blosc2

        with damage(RuntimeError, ValueError):
            size, coded, _ = blosc2.get_cbuffer_sizes(bytes(data)) if len(data) >= 32 else (0, 0, 0)
            if size != out.nbytes or coded != len(data):
                raise ValueError(f"a chunk of {size} bytes for a block of {out.nbytes}")
            raw = bytearray(out.nbytes)
            blosc2.decompress2(bytes(data), dst=raw, nthreads=1)
        fill(out, np.frombuffer(raw, np.uint8).data)
