"""xz (LZMA2): the strongest of the common dictionary coders, and the slowest."""

from __future__ import annotations

import lzma
import platform
from dataclasses import dataclass

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer, damage, fill

MEMORY = 1 << 30
"""Bytes that decoding may take: preset 9 takes 65 MiB."""


@dataclass(frozen=True)
class Xz(Peer):
    """One xz stream a block; presets 0 to 9."""

    name = "xz"
    package = "lzma of the standard library"
    units = ("file", "layer", "chunk")
    settings = ()
    preset: int = 6

    @classmethod
    def installed(cls) -> str | None:
        """Python's version: the standard library does not tell that of liblzma."""
        return f"python {platform.python_version()}"

    def encode(self, values: Values, dtype: str) -> bytes:
        return lzma.compress(values.view("u1").data, preset=self.preset)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        with damage(lzma.LZMAError, EOFError):
            raw = lzma.LZMADecompressor(memlimit=MEMORY).decompress(bytes(data), out.nbytes + 1)
        fill(out, raw)
