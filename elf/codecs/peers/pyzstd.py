"""pyzstd: another binding of libzstd, so that the study's zstd sizes do not hang on one binding."""

from __future__ import annotations

from dataclasses import dataclass

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer, damage, fill


@dataclass(frozen=True)
class Pyzstd(Peer):
    """One zstd frame a block, without content size, as our own `zstd` writes it."""

    name = "pyzstd"
    package = "pyzstd"
    settings = ({"level": 3},)
    level: int = 3

    def encode(self, values: Values, dtype: str) -> bytes:
        import pyzstd

        options: dict[int, int] = {pyzstd.CParameter.compressionLevel: self.level, pyzstd.CParameter.contentSizeFlag: 0}
        return bytes(pyzstd.compress(values.view("u1").data, options))

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import pyzstd

        with damage(pyzstd.ZstdError, EOFError):
            coder = pyzstd.ZstdDecompressor()
            raw = coder.decompress(bytes(data), out.nbytes + 1)
        fill(out, raw)
