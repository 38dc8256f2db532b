"""The table of peers. One more peer is one file and one line here: see `base.py`."""

from __future__ import annotations

from elf.codecs.peers.base import Peer
from elf.codecs.peers.blosc2 import Blosc2
from elf.codecs.peers.brotli import Brotli
from elf.codecs.peers.fpzip import Fpzip
from elf.codecs.peers.gzip import Gzip
from elf.codecs.peers.lmzip import Lmzip
from elf.codecs.peers.lz4 import Lz4
from elf.codecs.peers.openzl import Openzl
from elf.codecs.peers.pyzstd import Pyzstd
from elf.codecs.peers.xz import Xz

_ALL: tuple[type[Peer], ...] = (
    Lz4,
    Gzip,
    Brotli,
    Xz,
    Pyzstd,
    Blosc2,
    Openzl,
    Lmzip,
    Fpzip,
)

PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in _ALL}
"""Every peer by its name."""
