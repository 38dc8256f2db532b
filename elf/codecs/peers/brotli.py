"""Brotli: a dictionary coder with second-order context modelling, made for the web."""

from __future__ import annotations

from dataclasses import dataclass

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer, damage, fill

WINDOW = 24
"""Binary logarithm of the window in bytes: the largest that the format of RFC 7932 has."""


@dataclass(frozen=True)
class Brotli(Peer):
    """One brotli stream a block; qualities 0 to 11."""

    name = "brotli"
    package = "brotli"
    units = ("file", "layer", "chunk")
    settings = ({"quality": 5},)
    quality: int = 5

    def encode(self, values: Values, dtype: str) -> bytes:
        import brotli

        return bytes(brotli.compress(values.view("u1").data, quality=self.quality, lgwin=WINDOW))

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import brotli

        with damage(brotli.error):
            coder = brotli.Decompressor()
            raw = coder.process(bytes(data), output_buffer_limit=out.nbytes + 1)
            if not coder.is_finished():
                raw += b"\0"  # cut short or too long: no length fits
        fill(out, raw)
