"""The bytes of a model file in pieces of bounded size: its skeleton, then tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from elf.formats import ModelFile
from elf.formats.base import Bytes
from elf.skeleton import Layout
from elf.store.objects import PIECE


@dataclass(frozen=True)
class Piece:
    """Some bytes that become one object: of a layer, or of the skeleton where `layer` is None.

    `spans` are (part, start, stop), one after another.
    """

    layer: int | None
    number: int
    spans: tuple[tuple[int, int, int], ...]

    @property
    def nbytes(self) -> int:
        """Number of bytes."""
        return sum(stop - start for _, start, stop in self.spans)

    def take(self, model: ModelFile) -> Bytes:
        """A copy, which stays what it is when the file changes: uint8, shape (nbytes,)."""
        data = np.concatenate([model.part(part)[start:stop] for part, start, stop in self.spans])
        model.release()
        return data


def pieces(layout: Layout) -> Iterator[Piece]:
    """Everything of a model file, in pieces of PIECE bytes and less: skeleton first, then layer by layer."""
    rest = [segment for segment in layout.segments() if segment.number is None]
    yield from _cut(None, [(segment.part, segment.start, segment.stop) for segment in rest])
    for index, item in enumerate(layout.ranges):
        yield from _cut(index, [(item.part, item.start, item.stop)])


def _cut(layer: int | None, spans: Sequence[tuple[int, int, int]]) -> Iterator[Piece]:
    kept: list[tuple[int, int, int]] = []
    number, room = 0, PIECE
    for part, first, stop in spans:
        start = first
        while start < stop:
            end = min(stop, start + room)
            kept.append((part, start, end))
            room -= end - start
            start = end
            if room == 0:
                yield Piece(layer, number, tuple(kept))
                kept, number, room = [], number + 1, PIECE
    if kept:
        yield Piece(layer, number, tuple(kept))
