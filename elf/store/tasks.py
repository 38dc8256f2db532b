"""What is to be stored: a piece of a file, and what may be done with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from elf.formats.base import Bytes
from elf.store.manifest import Layer
from elf.store.objects import rounded_key

Place = tuple[str, str, tuple[int, ...], int]
"""What a piece must share with its base: name, dtype and shape of the tensor, and the number of the piece."""


def place(layer: Layer | None, size: int, number: int) -> Place:
    """The place of a piece of a layer, or of the skeleton, of `size` bytes, which has no name."""
    return ("", "", (size,), number) if layer is None else (layer.name, layer.dtype, layer.shape, number)


@dataclass(frozen=True)
class Task:
    """A piece to be stored: its exact key, the xxh3-64 of its bytes, and how it may be coded."""

    take: Callable[[], Bytes]
    """Gives a copy of its bytes: uint8, shape (nbytes,)."""
    nbytes: int
    key: str
    check: int
    dtype: str
    step: int | None
    place: Place

    @property
    def name(self) -> str:
        """The key under which it is stored if it is rounded, or cannot be: equal names are the same task."""
        return self.key if self.step is None else rounded_key(self.key, self.dtype, self.step)
