"""LZ4: the fastest of the dictionary coders, without an entropy stage."""

from __future__ import annotations

from dataclasses import dataclass

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer, damage, fill


@dataclass(frozen=True)
class Lz4(Peer):
    """One LZ4 frame a block; levels 0 to 2 are fast, 3 to 12 high compression."""

    name = "lz4"
    package = "lz4"
    units = ("file", "layer", "chunk")
    settings = ({"level": 0},)
    level: int = 0

    def encode(self, values: Values, dtype: str) -> bytes:
        import lz4.frame

        return bytes(lz4.frame.compress(values.view("u1").data, compression_level=self.level))

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import lz4.frame

        with damage(RuntimeError, EOFError):
            raw = lz4.frame.LZ4FrameDecompressor().decompress(bytes(data), out.nbytes + 1)
        fill(out, raw)
