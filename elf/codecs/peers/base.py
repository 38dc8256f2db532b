"""What a peer is: somebody else's method behind the interface of our codecs, so that both stand in one table.

A peer is measured, never stored: no Elves file names one. It is one file like this, and one line in
`elf/codecs/peers/__init__.py`:

    @dataclass(frozen=True)
    class Lz4(Peer):
        '''One LZ4 frame a block.'''

        name = "lz4"
        package = "lz4"
        units = ("file", "layer", "chunk")              # what it is measured on; left out: layers
        level: int = 0                                  # parameters are fields: integers with a default

        def encode(self, values, dtype):
            import lz4.frame
            return lz4.frame.compress(values.tobytes(), compression_level=self.level)

        def decode(self, data, out, dtype):
            import lz4.frame
            with damage(RuntimeError):
                fill(out, lz4.frame.LZ4FrameDecompressor().decompress(bytes(data), out.nbytes + 1))

A module of the standard library says that it is there by an `installed` of its own: see `xz.py`.
`tests/codecs/test_every_peer.py`, the study's tables and its figures pick a new peer up by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, Self

import numpy as np

from elf.codecs.base import Codec, Values
from elf.errors import ElfError


@dataclass(frozen=True)
class Peer(Codec):
    """A codec of an optional package, imported only when it is used.

    A lossy peer has a parameter `step`: it keeps every value within an absolute error of 2 ** -step.
    """

    package: ClassVar[str]
    """The distribution that brings it, as pip names it."""
    settings: ClassVar[tuple[dict[str, int], ...]] = ({},)
    """The parameters that the study measures in full; none where that would take too long."""
    units: ClassVar[tuple[str, ...]] = ("layer",)
    """What it is measured on: `layer` for those that know types; coders of plain bytes add `file` and `chunk`."""
    smallest: ClassVar[int] = 0
    """Layers of fewer bytes are kept as they are: not worth the call."""
    fragile: ClassVar[bool] = False
    """Whether its library may take the process with it over damaged data: it is given only what it wrote itself."""

    shape: tuple[int, ...] = field(default=(), repr=False, kw_only=True)
    """The natural shape of the values for peers that use it; empty: one-dimensional."""

    def shaped(self, shape: tuple[int, ...]) -> Self:
        """This peer for values that were an array of this shape."""
        return replace(self, shape=shape)

    @classmethod
    def installed(cls) -> str | None:
        """The version of the package, or None when it is not there."""
        try:
            return version(cls.package)
        except PackageNotFoundError:
            return None


def fill(out: Values, raw: bytes | bytearray | memoryview) -> None:
    """Copy decoded bytes into `out`. Raises ElfError when they are not exactly as many."""
    if len(raw) != out.nbytes:
        raise ElfError(f"damaged data: {len(raw)} bytes for a block of {out.nbytes}")
    out.view(np.uint8)[:] = np.frombuffer(raw, np.uint8)


@contextmanager
def damage(*errors: type[Exception]) -> Iterator[None]:
    """What a library raises over damaged data becomes an ElfError."""
    try:
        yield
    except errors as error:
        raise ElfError(f"damaged data: {' '.join(str(error).split())[:200] or type(error).__name__}") from error
