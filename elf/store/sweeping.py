"""Removing what no model needs."""

from __future__ import annotations

from dataclasses import dataclass

from elf.errors import ElfError
from elf.store.catalog import Catalog
from elf.store.disk import explained
from elf.store.objects import Objects
from elf.store.references import bases, references


@dataclass(frozen=True)
class Swept:
    """What gc removed, or would remove."""

    objects: int
    partial: int
    """Files that writers left which were killed."""
    bytes: int
    """Of both."""


def sweep(catalog: Catalog, *, dry_run: bool) -> Swept:
    """Remove unreferenced objects and partial files; the caller is alone in the store.

    Objects go before their bases: when this is killed, no object that is left lacks its base. Raises ElfError, and
    removes nothing, when damage hides what is needed.
    """
    places = catalog.places
    found = references(catalog)
    if found.broken:
        raise ElfError(f"nothing is removed while it is unclear what is needed: {next(iter(found.broken.values()))}")
    needed = bases(found.sizes, catalog.objects)
    partial = places.partial()
    unneeded = [places.object(key) for key in _front_first(set(places.object_keys()) - set(needed), catalog.objects)]
    size = 0
    for path in (*partial, *unneeded):
        with explained(path, "cannot be removed"):
            size += path.stat().st_size
            if not dry_run:
                path.unlink()
    return Swept(len(unneeded), len(partial), size)


def _front_first(keys: set[str], objects: Objects) -> list[str]:
    """Sorted so that every object comes before its base."""
    behind: dict[str, str | None] = {}
    for key in keys:
        try:
            behind[key] = objects.header(key).base
        except ElfError:  # damaged: it goes, whatever it was
            behind[key] = None

    def depth(key: str) -> int:
        steps, at = 0, behind.get(key)
        while at is not None and steps <= len(behind):
            steps, at = steps + 1, behind.get(at)
        return steps

    return sorted(keys, key=lambda key: (-depth(key), key))
