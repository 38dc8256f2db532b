"""The table of peers. One more peer is one file and one line here: see `base.py`."""

from __future__ import annotations

from elf.codecs.peers.base import Peer
from elf.codecs.peers.bitround import BitRound
from elf.codecs.peers.casts import CastBf16, CastF16
from elf.codecs.peers.integers import Int8, Int16
from elf.codecs.peers.published import Published
from elf.codecs.peers.quantized import Quantized
from elf.codecs.peers.sz3 import Sz3
from elf.codecs.peers.uniform import Uniform
from elf.codecs.peers.zfp import Zfp

_ALL: tuple[type[Peer], ...] = (
    Sz3,
    Zfp,
    Quantized,
    Uniform,
    BitRound,
    Published,
    CastBf16,
    CastF16,
    Int8,
    Int16,
)

PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in _ALL}
"""Every peer by its name."""
