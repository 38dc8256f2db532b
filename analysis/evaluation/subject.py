"""What is compared: the tensors of a file as Elves cuts it, and which of them may lose something.

A tensor is eligible when the rule of `elf.rule` lets Elves lose something at the type's own bound. The same tensors are
then eligible for every method and at every bound, so that curves over bounds stand on one set; at loose bounds the rule
itself would keep most of them exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xxhash

from elf.codecs.base import Values
from elf.coding import passing, typed
from elf.decide import decisions
from elf.formats import ModelFile
from elf.rule import Rule, after
from elf.skeleton import Range, cut
from elf.tensor import Tensor


@dataclass(frozen=True)
class Layer:
    """A tensor with bytes of its own: its place among the ranges of the file, and what the rule says of it."""

    number: int
    tensor: Tensor
    where: Range
    eligible: bool
    reason: str


@dataclass(frozen=True)
class Subject:
    """One open model file as Elves sees it; `bytes` are those of all its parts."""

    model: ModelFile
    layers: tuple[Layer, ...]
    bytes: int

    @property
    def rest(self) -> int:
        """Bytes in no layer."""
        return self.bytes - sum(layer.where.size for layer in self.layers)

    @property
    def eligible(self) -> list[Layer]:
        """The layers that may lose something."""
        return [layer for layer in self.layers if layer.eligible]

    def values(self, layer: Layer) -> Values:
        """A copy of a layer's values: 1-D, of its NumPy type. The mapped memory is given back."""
        copied = typed(np.array(self._data(layer)), layer.tensor.dtype)
        self.model.release()
        return copied

    def digest(self, layer: Layer) -> str:
        """What two layers must have in common to be stored once: their bytes, dtype and shape."""
        state = xxhash.xxh3_128(f"{layer.tensor.dtype} {layer.tensor.shape}".encode())
        state.update(self._data(layer).data)
        self.model.release()
        return state.hexdigest()

    def once(self, layers: list[Layer]) -> Iterator[tuple[Layer, Layer]]:
        """Each layer with the first one that has the same bytes: itself, when it is that."""
        first: dict[str, Layer] = {}
        for layer in layers:
            yield layer, first.setdefault(self.digest(layer), layer)

    def _data(self, layer: Layer) -> Values:
        return self.model.part(layer.where.part)[layer.where.start : layer.where.stop]


def subject_of(model: ModelFile) -> Subject:
    """Cut a file and decide which of its tensors are eligible."""
    layout, stored = cut(model)
    before = decisions(model, layout, stored, Rule())
    layers = []
    for number, (tensor, where, decision) in enumerate(zip(stored, layout.ranges, before, strict=True)):
        values = typed(model.part(where.part)[where.start : where.stop], tensor.dtype)
        decided = after(decision, passing(values, model.release), tensor.dtype)
        layers.append(Layer(number, tensor, where, decided.bound is not None, decided.reason))
    model.release()
    return Subject(model, tuple(layers), sum(layout.sizes))
