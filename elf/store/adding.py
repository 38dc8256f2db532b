"""Adding a model: what is there already is found before anything is coded, and the manifest comes last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xxhash

from elf.errors import ElfError
from elf.formats import ModelFile
from elf.formats.base import Bytes
from elf.rule import Rule
from elf.store.catalog import Catalog
from elf.store.filing import Filing
from elf.store.manifest import Manifest, Recipe, Unit
from elf.store.objects import PIECE, exact_key
from elf.store.sources import Source, opened, sha256_of, sources, stamp
from elf.store.storing import Progress, Storing
from elf.store.tasks import Task
from elf.tensor import Tensor

RELATIVES = ("auto", "none")
"""What `relative_to` may be beside the name of a model: the most similar file of any model, or nothing."""


@dataclass(frozen=True)
class Added:
    """What adding a model did."""

    name: str
    files: int
    bytes: int
    """Of the original files."""
    new_bytes: int
    """By which the store's objects grew."""
    notes: tuple[str, ...]
    """What is worth knowing: files that were taken as plain bytes, and why."""


@dataclass
class Adding:
    """One model on its way into a store; the caller holds the shared lock."""

    catalog: Catalog
    rule: Rule
    relative_to: str
    jobs: int
    progress: Progress
    units: list[Unit] = field(default_factory=list)
    """Of this model, as far as it is stored."""
    stored: list[Unit] = field(default_factory=list)
    """Of the other models."""
    notes: list[str] = field(default_factory=list)
    new_bytes: int = 0

    def run(self, path: Path, name: str) -> Added:
        """Store all files and then the manifest. Raises ElfError when one cannot be read or changes meanwhile."""
        self._check(path, name)
        self.stored = self._stored()
        for source in self._survey(sources(path, self.notes)):
            with opened(source.path) as model:
                before = stamp(model)
                self.units.append(self._unit(source, model))
                if stamp(model) != before:
                    raise ElfError(f"{source.path}: was changed while it was read: add it again")
        manifest = Manifest(name, tuple(self.units))
        self.catalog.commit(manifest)
        files = sum(len(unit.sizes) for unit in self.units)
        return Added(name, files, manifest.nbytes, self.new_bytes, tuple(dict.fromkeys(self.notes)))

    def _check(self, path: Path, name: str) -> None:
        """What can be refused before any work."""
        if name in RELATIVES:
            raise ElfError(f"a model cannot be called {name!r}: it means something else where a relative is named")
        self.catalog.refuse_taken(name)
        if self.relative_to not in RELATIVES:
            self.catalog.manifest(self.relative_to)
        if self.catalog.places.root.resolve().is_relative_to(path.resolve()):
            raise ElfError(f"{path}: holds the store itself: choose a folder with one model")

    def _stored(self) -> list[Unit]:
        """The files of all models; one whose manifest is damaged is passed over, and said so."""
        units: list[Unit] = []
        for name in self.catalog.places.names():
            try:
                units += self.catalog.manifest(name).units
            except ElfError as error:
                self.notes.append(f"not used: {error}")
        return units

    def _survey(self, found: Sequence[Source]) -> list[Source]:
        """Those that are not a part of another; notes what cannot be read as a model."""
        tensors: list[Tensor] = []
        parts: set[Path] = set()
        for source in found:
            with opened(source.path, self.notes) as model:
                parts.update(part.absolute() for part in model.parts[1:])
                tensors += model.tensors
        self.rule.refuse_idle_patterns(tensors)
        return [source for source in found if source.path.absolute() not in parts]

    def _unit(self, source: Source, model: ModelFile) -> Unit:
        sums = tuple(sha256_of(model, part) for part in range(len(model.parts)))
        others = tuple(part.relative_to(model.path.parent).as_posix() for part in model.parts[1:])
        known = self._known(sums, others)
        if known is not None:
            self.progress(known.nbytes)
            return replace(known, path=source.name)
        storing = Storing(self.catalog.objects, self.jobs, self.progress, self._relatives)
        recipe = Filing(model, self.rule, storing, self.notes).run()
        keys, nbytes = self._store_recipe(recipe)
        self.new_bytes += storing.staged.nbytes
        lossy = describe(self.rule) if recipe.rounded else None
        return Unit(source.name, recipe.sizes, sums, lossy, keys, nbytes)

    def _known(self, sums: tuple[str, ...], others: tuple[str, ...]) -> Unit | None:
        """The same file where it is stored already, in no other way than is asked for, and undamaged."""
        asked = None if self.rule.lossless else describe(self.rule)
        for unit in (*self.units, *self.stored):
            if unit.sha256 == sums and unit.lossy in (None, asked) and self._intact(unit, others):
                return unit
        return None

    def _intact(self, unit: Unit, others: tuple[str, ...]) -> bool:
        try:
            recipe = self.catalog.recipe(unit)
        except ElfError:
            return False
        pieces = (*unit.pieces(), *recipe.pieces())
        return recipe.others == others and all(self.catalog.objects.whole(*piece) for piece in pieces)

    def _relatives(self) -> list[Recipe]:
        """The files that new ones may be coded against: of the model that was named, or all, or none."""
        units = [*self.stored, *self.units]
        if self.relative_to == "none":
            return []
        if self.relative_to != "auto":
            units = list(self.catalog.manifest(self.relative_to).units)
        recipes = []
        for unit in units:
            try:
                recipes.append(self.catalog.recipe(unit))
            except ElfError as error:
                self.notes.append(f"not used: {error}")
        return recipes

    def _store_recipe(self, recipe: Recipe) -> tuple[tuple[str, ...], int]:
        """The keys of the recipe's objects, and its bytes."""
        data = np.frombuffer(recipe.to_bytes(), np.uint8)
        storing = Storing(self.catalog.objects, self.jobs, lambda _: None, list)
        tasks = [_recipe_task(data[start : start + PIECE]) for start in range(0, data.size, PIECE)]
        keys = storing.store(tasks)
        self.new_bytes += storing.staged.nbytes
        return tuple(keys), data.size


def _recipe_task(data: Bytes) -> Task:
    check = xxhash.xxh3_64_intdigest(data.data)
    return Task(lambda: data, data.size, exact_key(data), check, "u8", None, ("recipe", "", (), 0))


def describe(rule: Rule) -> str:
    """What may be rounded, as a manifest says it."""
    bound = "the bounds of the types" if rule.bound is None else f"{rule.bound.kind} {rule.bound.value!r}"
    patterns = [f"{name} {', '.join(given)}" for name, given in (("lossy", rule.lossy), ("keep", rule.keep)) if given]
    return "; ".join([bound, *patterns])
