"""The table of peers. One more peer is one file and one line here: see `base.py`."""

from __future__ import annotations

from elf.codecs.peers.base import Peer
from elf.codecs.peers.bitround import BitRound
from elf.codecs.peers.blosc2 import Blosc2
from elf.codecs.peers.brotli import Brotli
from elf.codecs.peers.casts import CastBf16, CastF16
from elf.codecs.peers.fpzip import Fpzip
from elf.codecs.peers.gzip import Gzip
from elf.codecs.peers.integers import Int8, Int16
from elf.codecs.peers.lmzip import Lmzip
from elf.codecs.peers.lz4 import Lz4
from elf.codecs.peers.openzl import Openzl
from elf.codecs.peers.published import Published
from elf.codecs.peers.pyzstd import Pyzstd
from elf.codecs.peers.quantized import Quantized
from elf.codecs.peers.sz3 import Sz3
from elf.codecs.peers.uniform import Uniform
from elf.codecs.peers.xz import Xz
from elf.codecs.peers.zfp import Zfp

_LOSSLESS: tuple[type[Peer], ...] = (Lz4, Gzip, Brotli, Xz, Pyzstd, Blosc2, Openzl, Lmzip, Fpzip)
_LOSSY: tuple[type[Peer], ...] = (
    Sz3, Zfp, Quantized, Uniform, BitRound, Published, CastBf16, CastF16, Int8, Int16,
)  # fmt: skip

PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (*_LOSSLESS, *_LOSSY)}
"""Every peer by its name."""
