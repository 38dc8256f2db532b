"""What a peer is: somebody else's method behind the interface of our codecs, so that both stand in one table.

A peer is measured, never stored: no Elves file names one. It is one file like this, and one line in
`elf/codecs/peers/__init__.py`:

    @dataclass(frozen=True)
    class Lz4(Peer):
        '''One LZ4 frame a block.'''

        name = "lz4"
        package = "lz4"
        level: int = 0

        def encode(self, values, dtype):
            import lz4.frame
            return lz4.frame.compress(values.tobytes(), compression_level=self.level)

        def decode(self, data, out, dtype):
            import lz4.frame
            out[:] = np.frombuffer(lz4.frame.decompress(bytes(data)), out.dtype)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, Self

from elf.codecs.base import Codec


@dataclass(frozen=True)
class Peer(Codec):
    """A codec of an optional package, imported only when it is used.

    A lossy peer has a parameter `step`: it keeps every value within an absolute error of 2 ** -step.
    """

    package: ClassVar[str]
    """The distribution that brings it, as pip names it."""

    shape: tuple[int, ...] = field(default=(), repr=False)
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
