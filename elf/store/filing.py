"""One model file: where it may be rounded, which pieces it has, and the recipe that puts it together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import xxhash

from elf.coding import typed
from elf.decide import decisions
from elf.errors import ElfError
from elf.formats import ModelFile
from elf.formats.base import one_error
from elf.payload import in_order
from elf.rule import Decision, Rule, after
from elf.skeleton import Layout, Range, cut, seals
from elf.store.manifest import Layer, Recipe
from elf.store.objects import exact_key
from elf.store.pieces import Piece, pieces
from elf.store.storing import Storing
from elf.store.tasks import Task, place
from elf.tensor import Tensor

SMALL = 1024
"""Tensors below this stay in the skeleton: a file of its own, its name and its heads take more than sharing saves."""


@dataclass
class Filing:
    """A model file on its way into a store."""

    model: ModelFile
    rule: Rule
    storing: Storing
    notes: list[str]
    """Gets what is worth knowing."""

    def run(self) -> Recipe:
        """Store every piece that is not there yet. Raises ElfError as `Storing.store`."""
        layout, tensors = cut(self.model, small=SMALL)
        decided = decisions(self.model, layout, tensors, self.rule)
        placed = list(zip(layout.ranges, tensors, decided, strict=True))
        layers = self._sealed(list(in_order(lambda each: self._layer(*each), placed, self.storing.jobs)))
        found = list(pieces(layout))
        tasks = list(in_order(lambda piece: self._task(piece, layout, layers), found, self.storing.jobs))
        keys = self.storing.store(tasks)
        objects: dict[int | None, list[str]] = {}
        rounded = set()
        for piece, task, key in zip(found, tasks, keys, strict=True):
            objects.setdefault(piece.layer, []).append(key)
            if key != task.key:
                rounded.add(piece.layer)
        done = [
            replace(layer, step=layer.step if index in rounded else None, objects=tuple(objects[index]))
            for index, layer in enumerate(layers)
        ]
        skeleton = tuple(objects.get(None, ()))
        return Recipe(self.model.format, layout.names[1:], layout.sizes, tuple(done), skeleton)

    def _layer(self, where: Range, tensor: Tensor, decision: Decision) -> Layer:
        """The tensor with the step to which it may be rounded, if it may."""
        step = None
        if decision.bound is not None:
            values = typed(self.model.part(where.part)[where.start : where.stop], tensor.dtype)
            bound = after(decision, values, tensor.dtype).bound
            step = None if bound is None else bound.step(values, tensor.dtype)
            self.model.release()
        return Layer(tensor.name, tensor.dtype, tensor.shape, tensor.role, where.part, where.start, step, ())

    def _sealed(self, layers: list[Layer]) -> list[Layer]:
        """The same; nothing is rounded where the container's checksums could not be made right again."""
        rounded = [layer.range for layer in layers if layer.step is not None]
        try:
            for part in range(len(self.model.parts)):
                with one_error(self.model.path, self.model.format):
                    seals(self.model.part(part), [item for item in rounded if item.part == part])
        except ElfError as error:
            self.notes.append(f"kept exactly: {error}")
            return [replace(layer, step=None) for layer in layers]
        return layers

    def _task(self, piece: Piece, layout: Layout, layers: Sequence[Layer]) -> Task:
        data = piece.take(self.model)
        layer = None if piece.layer is None else layers[piece.layer]
        return Task(
            take=lambda: piece.take(self.model),
            nbytes=data.size,
            key=exact_key(data),
            check=xxhash.xxh3_64_intdigest(data.data),
            dtype="u8" if layer is None else layer.coded,
            step=None if layer is None else layer.step,
            place=place(layer, layout.skeleton_bytes if layer is None else layer.nbytes, piece.number),
        )
