"""A method as a study names it: `codec`, `codec:level=3` or `transform+codec:level=3`.

Every codec of `elf/codecs` that is lossless and needs no relative is known, and every lossless peer of
`elf/codecs/peers`; what is measured unless a study says otherwise follows from those two tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from analysis.compression.behind import Behind
from analysis.compression.dictionary import ValueDictionary
from analysis.compression.transforms import NONE, TRANSFORMS
from elf.codecs import CODECS
from elf.codecs.base import Codec
from elf.codecs.delta import Delta
from elf.codecs.peers import PEERS
from elf.codecs.peers.base import Peer

BYTES = ("file", "layer", "chunk")
IDENTITY = "identity"
STORED = "stored"
PARAMETER_CODECS = ("dictionary", "distance")
"""Whose unit is the single value: they stand at parameter granularity."""
BEHIND = ("zstd:level=3", "lz4:level=0", "gzip:level=6")
"""What stands behind each transform."""
OWN = (
    IDENTITY, "zstd:level=1", "zstd:level=3", "zstd:level=9", "split", "packed", "pcodec:level=8",
    "dictionary:level=0", "dictionary:level=3", "distance",
)  # fmt: skip


@dataclass(frozen=True)
class Method:
    """A codec with its parameters, behind a transform or none. Raises ValueError, naming what there is, for others."""

    text: str

    @cached_property
    def _parts(self) -> tuple[str, str, dict[str, int]]:
        head, _, rest = self.text.partition(":")
        transform, plus, codec = head.rpartition("+")
        named = [pair.partition("=") for pair in rest.split(",") if pair]
        try:
            params = {name.strip(): int(value) for name, _, value in named}
        except ValueError:
            raise ValueError(f"{self.text!r}: parameters are integers, as in zstd:level=3") from None
        return (transform if plus else NONE), codec, params

    @property
    def transform(self) -> str:
        """The transform's name, `none` where there is none."""
        return self._parts[0]

    @property
    def codec(self) -> str:
        """The codec's name."""
        return self._parts[1]

    @property
    def params(self) -> str:
        """The parameters as the tables show them: `level=1 filter=2`; a codec with none has the empty text."""
        return " ".join(f"{name}={value}" for name, value in self.plain.params.items())

    @cached_property
    def plain(self) -> Codec:
        """The codec without the transform."""
        name, params = self._parts[1:]
        kind = known().get(name)
        if kind is None:
            raise ValueError(f"{self.text!r}: unknown codec {name!r}; there are: {', '.join(known())}")
        try:
            return kind(**params)
        except TypeError:
            allowed = ", ".join(kind().params) or "none"
            raise ValueError(f"{self.text!r}: parameters of {name} are: {allowed}") from None

    @cached_property
    def coder(self) -> Codec:
        """What codes: the codec, behind its transform."""
        if self.transform == NONE:
            return self.plain
        if self.transform not in TRANSFORMS:
            there = ", ".join(TRANSFORMS)
            raise ValueError(f"{self.text!r}: unknown transform {self.transform!r}; there are: {there}")
        return Behind(self.transform, self.plain)

    @property
    def units(self) -> tuple[str, ...]:
        """What it is measured on: `file`, `layer`, `chunk`, `parameter`."""
        if self.transform != NONE:
            return ("layer",)
        if isinstance(self.plain, Peer):
            return self.plain.units
        if self.codec in PARAMETER_CODECS:
            return ("parameter",)
        return BYTES if self.codec in {IDENTITY, "zstd"} else ("layer",)

    @property
    def group(self) -> str:
        """The part of the measure that it belongs to: all settings of one codec behind one transform."""
        return self.codec if self.transform == NONE else f"{self.transform}+{self.codec}"

    @property
    def missing(self) -> str:
        """Why it cannot run here, and what to do; empty when it can."""
        if not isinstance(self.plain, Peer) or self.plain.installed():
            return ""
        return f"{self.plain.package} is not installed: python -m pip install {self.plain.package}"


def known() -> dict[str, type[Codec]]:
    """Every codec that can be named."""
    own = {name: kind for name, kind in CODECS.items() if kind.lossless and not issubclass(kind, Delta)}
    own[IDENTITY] = own.pop(STORED)
    peers = {name: kind for name, kind in PEERS.items() if kind.lossless}
    return {**own, "dictionary": ValueDictionary, **peers}


def every() -> list[str]:
    """What is measured in full unless a study says otherwise."""
    peers = [
        Method(_text(name, setting)).text for name, peer in PEERS.items() if peer.lossless for setting in peer.settings
    ]
    return [*OWN, *peers, *(f"{transform}+{method}" for transform in TRANSFORMS for method in BEHIND)]


def _text(name: str, setting: dict[str, int]) -> str:
    return name + (":" + ",".join(f"{key}={value}" for key, value in setting.items()) if setting else "")
