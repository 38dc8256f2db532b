"""The models of a store: their manifests, and the recipes of their files."""

from __future__ import annotations

from dataclasses import dataclass, field

from elf.errors import ElfError
from elf.files import replacing
from elf.formats.found import quoted
from elf.store.disk import explained, read_whole
from elf.store.manifest import Manifest, Recipe, Unit, read_manifest, read_recipe
from elf.store.objects import Objects
from elf.store.places import Places

LARGEST = 1 << 28
"""Bytes of a manifest at most."""


@dataclass
class Catalog:
    """What is in a store, read when it is asked for; recipes are kept."""

    places: Places
    objects: Objects
    _recipes: dict[tuple[str, ...], Recipe] = field(default_factory=dict)

    def manifest(self, name: str) -> Manifest:
        """A model's manifest. Raises ElfError when there is none, or it is damaged."""
        path = self.places.model(name)
        if not path.is_file():
            there = ", ".join(map(quoted, self.places.names()[:20])) or "none"
            raise ElfError(f"{self.places.root}: has no model {quoted(name)}; there are: {there}")
        try:
            return read_manifest(read_whole(path, LARGEST), name)
        except ElfError as error:
            text = str(error)
            raise ElfError(text if text.startswith(str(path)) else f"{path}: {text}") from error

    def recipe(self, unit: Unit) -> Recipe:
        """How a file of a model is put together. Raises ElfError when that is missing or damaged."""
        if unit.recipe not in self._recipes:
            data = b"".join(self.objects.read(key).tobytes() for key in unit.recipe)
            recipe = read_recipe(data)
            if len(data) != unit.recipe_bytes or recipe.sizes != unit.sizes:
                raise ElfError(f"the recipe of {quoted(unit.path)} is not for this file")
            self._recipes[unit.recipe] = recipe
        return self._recipes[unit.recipe]

    def commit(self, manifest: Manifest) -> None:
        """Make a model appear. Raises ElfError when there is one of its name."""
        path = self.places.model(manifest.name)
        with self.places.publishing():
            self.refuse_taken(manifest.name)
            with replacing(path) as (stream,):
                stream.write(manifest.to_bytes())

    def refuse_taken(self, name: str) -> None:
        """Raises ElfError when there is a model of this name, or none can have it."""
        if self.places.model(name).exists():
            raise ElfError(f"{self.places.root}: there is a model {quoted(name)} already: remove it first")

    def remove(self, name: str) -> None:
        """Make a model disappear; its objects stay until gc. Raises ElfError when there is none."""
        path = self.places.model(name)
        with self.places.publishing(), explained(path, "cannot be removed"):
            if not path.exists():
                self.manifest(name)  # says what is there
            path.unlink()
