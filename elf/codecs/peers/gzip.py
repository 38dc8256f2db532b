"""gzip, as the published study's baseline: one member a block, by zlib-ng (the system's zlib differs by platform)."""

from __future__ import annotations

from dataclasses import dataclass

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer, damage, fill

GZIP = 31
"""Window bits that ask zlib for gzip's header and checksum."""


@dataclass(frozen=True)
class Gzip(Peer):
    """One gzip member a block; levels 1 to 9."""

    name = "gzip"
    package = "zlib-ng"
    units = ("file", "layer", "chunk")
    settings = ({"level": 6}, {"level": 9})
    level: int = 6

    def encode(self, values: Values, dtype: str) -> bytes:
        from zlib_ng import zlib_ng

        coder = zlib_ng.compressobj(self.level, wbits=GZIP)
        return bytes(coder.compress(values.view("u1").data) + coder.flush())

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        from zlib_ng import zlib_ng

        with damage(zlib_ng.error):  # type: ignore[arg-type]  # its stub says an instance
            coder = zlib_ng.decompressobj(wbits=GZIP)
            raw = coder.decompress(data, out.nbytes + 1)
        fill(out, raw)
