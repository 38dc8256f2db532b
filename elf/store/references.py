"""Who needs which object: models through recipes, and objects through their bases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from elf.errors import ElfError
from elf.store.catalog import Catalog
from elf.store.objects import Objects


@dataclass
class References:
    """Every object that manifests and recipes name."""

    sizes: dict[str, set[int]] = field(default_factory=dict)
    """By key, how many bytes it should decode to: one number unless somebody lies."""
    models: dict[str, set[str]] = field(default_factory=dict)
    """By key, the models that name it."""
    broken: dict[str, str] = field(default_factory=dict)
    """By model, why its manifest or one of its recipes cannot be read."""

    def _add(self, model: str, pieces: Iterable[tuple[str, int]]) -> None:
        for key, nbytes in pieces:
            self.sizes.setdefault(key, set()).add(nbytes)
            self.models.setdefault(key, set()).add(model)


def references(catalog: Catalog) -> References:
    """What the models of a store name; what is damaged is told, not raised."""
    found = References()
    for name in catalog.places.names():
        try:
            for unit in catalog.manifest(name).units:
                found._add(name, unit.pieces())
                found._add(name, catalog.recipe(unit).pieces())
        except ElfError as error:
            found.broken[name] = str(error)
    return found


def bases(keys: Iterable[str], objects: Objects) -> dict[str, str | None]:
    """The base of each object, and of their bases. Raises ElfError when the head of one that is there is damaged."""
    found: dict[str, str | None] = {}
    for start in keys:
        key: str | None = start
        while key is not None and key not in found:
            there = objects.places.object(key).is_file()
            found[key] = objects.header(key).base if there else None
            key = found[key]
    return found
