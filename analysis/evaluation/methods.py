"""Which peers are measured, in which settings, at which bounds.

Every peer runs on each tensor alone and on all of a file's tensors one after another ("concatenated"), one-dimensional
and, where it knows dimensions, in the natural shape. All of SZ3's predictors run at the published bound only; of them
the ladder keeps those that came closest to the best there, on tensors and concatenated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from elf.codecs.peers import PEERS
from elf.codecs.peers.base import Peer
from elf.codecs.peers.bitround import BitRound
from elf.codecs.peers.casts import CastBf16, CastF16
from elf.codecs.peers.integers import Int8, Int16, Integers
from elf.codecs.peers.published import Published
from elf.codecs.peers.quantized import Quantized
from elf.codecs.peers.sz3 import INTERPOLATION, INTERPOLATION_LORENZO, LORENZO, NO_PREDICTOR, Sz3
from elf.codecs.peers.uniform import Uniform
from elf.codecs.peers.zfp import Zfp

PUBLISHED = 24
"""The bound of the published Elf for f32 is 2 ** -24."""

OWN = 0
"""Stands where a bound stands, for methods that have one of their own."""

TENSOR, NATURAL, TOGETHER = "per tensor", "per tensor, natural shape", "concatenated"


@dataclass(frozen=True)
class Setting:
    """One way of running a peer; `name` says it in words. `default`: as its package runs it unasked."""

    name: str
    codec: Peer
    natural: bool = False
    together: bool = False


Settings = Callable[[int], list[Setting]]


def _ways(codec: Peer, *ways: str, prefix: str = "") -> list[Setting]:
    return [Setting(prefix + way, codec, way == NATURAL, way == TOGETHER) for way in ways]


def _sz3(step: int) -> list[Setting]:
    plain, lorenzo = Sz3(step=step, predictor=NO_PREDICTOR), Sz3(step=step, predictor=LORENZO)
    found = _ways(plain, TENSOR, TOGETHER, prefix="no predictor, ")
    found += _ways(lorenzo, NATURAL, prefix="Lorenzo, ")
    found += _ways(Sz3(step=step, predictor=INTERPOLATION_LORENZO, bins=0), NATURAL, prefix="defaults, ")
    if step == PUBLISHED:
        found += _ways(lorenzo, TENSOR, TOGETHER, prefix="Lorenzo, ")
        found += _ways(Sz3(step=step, predictor=INTERPOLATION), TENSOR, NATURAL, prefix="interpolation, ")
        found += _ways(Sz3(step=step, predictor=INTERPOLATION_LORENZO), NATURAL, prefix="interpolation or Lorenzo, ")
    return found


def _bitround(step: int) -> list[Setting]:
    shuffled = _ways(BitRound(step=step), TENSOR, TOGETHER, prefix="bytes shuffled, ")
    return [*shuffled, *_ways(BitRound(step=step, shuffle=0), TENSOR)]


def _integers(kind: type[Integers]) -> Settings:
    def settings(_: int) -> list[Setting]:
        return [
            Setting(f"{scale}, {coding}", kind(channel=channel, coded=coded), natural=True)
            for channel, scale in enumerate(("scale per tensor", "scale per channel"))
            for coded, coding in enumerate(("as it is", "coded losslessly"))
        ]

    return settings


LADDER: dict[str, Settings] = {
    Sz3.name: _sz3,
    Zfp.name: lambda step: _ways(Zfp(step=step), TENSOR, NATURAL, TOGETHER),
    Quantized.name: lambda step: _ways(Quantized(step=step), TENSOR, TOGETHER),
    Uniform.name: lambda step: _ways(Uniform(step=step), TENSOR, TOGETHER),
    BitRound.name: _bitround,
}
"""Methods that keep an absolute bound, by name: their settings at a bound of 2 ** -step."""

ONE_BOUND: dict[str, Settings] = {Published.name: lambda _: _ways(Published(), TENSOR, TOGETHER)}
"""Methods that have the published bound and no other."""

OWN_BOUND: dict[str, Settings] = {
    CastBf16.name: lambda _: _ways(CastBf16(), TENSOR, TOGETHER),
    CastF16.name: lambda _: _ways(CastF16(), TENSOR, TOGETHER),
    Int8.name: _integers(Int8),
    Int16.name: _integers(Int16),
}
"""What people do instead: the error is what it is."""

DEFAULTS = "defaults"
"""What the name of a setting starts with that nobody chose: a footnote, never a headline."""

METHODS: dict[str, Settings] = LADDER | ONE_BOUND | OWN_BOUND


def bounds_of(method: str, ladder: list[int]) -> list[int]:
    """At which of the bounds a method is run: `OWN` for those that have one of their own."""
    if method in OWN_BOUND:
        return [OWN]
    return [step for step in ladder if method in LADDER or step == PUBLISHED]


def package_of(method: str) -> tuple[str, str | None]:
    """The package that brings a method, and its version; None when it is not installed."""
    peer = PEERS[method]
    return peer.package, peer.installed()
