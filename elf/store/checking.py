"""Verifying a store: every byte of it is read, and every object decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from elf.errors import ElfError
from elf.payload import in_order
from elf.store.catalog import Catalog
from elf.store.objects import exact_key
from elf.store.references import References, references
from elf.store.storing import Progress


@dataclass(frozen=True)
class Damage:
    """One damaged or missing file of a store, and the models that cannot be restored because of it."""

    path: str
    what: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verified:
    """What was verified, and what is wrong."""

    models: int
    objects: int
    bytes: int
    """Of all object files."""
    damages: tuple[Damage, ...]
    unneeded: int
    """Objects that gc would remove."""
    partial: int
    """Files that writers left which were killed, or are still writing."""
    strangers: tuple[str, ...]
    """Files that no store writes."""


@dataclass(frozen=True)
class _Seen:
    key: str
    size: int
    nbytes: int = 0
    base: str | None = None
    wrong: str | None = None


def verify(catalog: Catalog, jobs: int, progress: Progress) -> Verified:
    """Everything that is wrong with a store; `progress` is told bytes of object files.

    Raises ElfError when the store is of a newer version.
    """
    places = catalog.places
    damages = list(_description(catalog))
    found = references(catalog)
    damages += [Damage(_relative(catalog, places.model(name)), what, (name,)) for name, what in found.broken.items()]
    seen: dict[str, _Seen] = {}
    for item in in_order(lambda key: _look(catalog, key), list(places.object_keys()), jobs):
        seen[item.key] = item
        progress(item.size)
    damages += _damaged(catalog, found, seen)
    needed = _needed(found, seen)
    return Verified(
        models=len(places.names()),
        objects=len(seen),
        bytes=sum(item.size for item in seen.values()),
        damages=tuple(sorted(damages, key=lambda damage: damage.path)),
        unneeded=len(set(seen) - set(needed)),
        partial=len(places.partial()),
        strangers=tuple(_relative(catalog, path) for path in places.strangers()),
    )


def _description(catalog: Catalog) -> Iterator[Damage]:
    try:
        catalog.places.version()
    except ElfError as error:
        yield Damage("store.json", _short(catalog, "store.json", error))
    else:
        catalog.places.check()


def _look(catalog: Catalog, key: str) -> _Seen:
    """Read and decode one object, and compare what it decodes to with what was stored."""
    path, objects = catalog.places.object(key), catalog.objects
    size = path.stat().st_size
    try:
        opened = objects.open(key)
        seen = _Seen(key, size, opened.payload.head.nbytes, opened.header.base)
    except ElfError as error:
        return _Seen(key, size, wrong=_short(catalog, _relative(catalog, path), error))
    try:
        right = exact_key(objects.read(key)) == opened.header.content
    except ElfError as error:
        return replace(seen, wrong=_short(catalog, _relative(catalog, path), error))
    return seen if right else replace(seen, wrong="damaged: it decodes to other bytes than were stored")


def _damaged(catalog: Catalog, found: References, seen: dict[str, _Seen]) -> Iterator[Damage]:
    """Objects that are damaged, of another size than a recipe says, or missing, with the models that need them."""
    needed = _needed(found, seen)
    for key in sorted(set(seen) | set(needed)):
        item = seen.get(key)
        what = "missing" if item is None else item.wrong
        if item is not None and what is None and (wanted := found.sizes.get(key, set()) - {item.nbytes}):
            what = f"damaged: it decodes to {item.nbytes} bytes where {min(wanted)} are needed"
        if what is not None:
            path = _relative(catalog, catalog.places.object(key))
            yield Damage(path, what, tuple(sorted(needed.get(key, ()))))


def _needed(found: References, seen: dict[str, _Seen]) -> dict[str, set[str]]:
    """The models that need each object, directly or as a base."""
    needed: dict[str, set[str]] = {}
    for start, models in found.models.items():
        key: str | None = start
        while key is not None and not models <= needed.get(key, set()):
            needed.setdefault(key, set()).update(models)
            key = seen[key].base if key in seen else None
    return needed


def _relative(catalog: Catalog, path: Path) -> str:
    return path.relative_to(catalog.places.root).as_posix()


def _short(catalog: Catalog, path: str, error: ElfError) -> str:
    """The message without the path that the damage names anyway; other paths as within the store."""
    text = str(error).removeprefix(f"{catalog.places.root / path}: ")
    return text.replace(f"{catalog.places.root}/", "")
