"""The table of peers. One more peer is one file and one line here: see `base.py`."""

from __future__ import annotations

from elf.codecs.peers.base import Peer

_ALL: tuple[type[Peer], ...] = ()

PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in _ALL}
"""Every peer by its name."""
