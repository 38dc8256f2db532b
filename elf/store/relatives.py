"""Which stored file a new one is most likely derived from: same names, types and shapes, then similar values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from elf.errors import ElfError
from elf.store.coding import Base, as_values, delta_ratio
from elf.store.manifest import Recipe
from elf.store.objects import Objects
from elf.store.tasks import Place, Task, place

CANDIDATES = 64
"""Files that are compared by values, those with the most bytes under the same names first."""

FINALISTS = 4
"""Files that are left after a first comparison on a single piece."""

SAMPLED = 4
"""Pieces of the new file on which finalists are compared, the largest first."""

PROBE = 1 << 16
"""The first comparison is on the smallest piece of at least so many bytes."""


def places(recipe: Recipe) -> dict[Place, str]:
    """The key of every piece of a file by its place."""
    size = recipe.layout.skeleton_bytes
    found = {place(None, size, number): key for number, key in enumerate(recipe.skeleton)}
    for layer in recipe.layers:
        found |= {place(layer, layer.nbytes, number): key for number, key in enumerate(layer.objects)}
    return found


def best_relative(wanted: Sequence[Task], recipes: Iterable[Recipe], objects: Objects) -> dict[Place, str]:
    """The pieces of the most similar of `recipes` by place; empty when none has a piece in common with `wanted`."""
    sizes = {item.place: item.nbytes for item in wanted if item.place[0]}
    ranked: list[tuple[int, dict[Place, str]]] = []
    for recipe in recipes:
        found = places(recipe)
        shared = sum(size for where, size in sizes.items() if where in found)
        if shared and found not in (other for _, other in ranked):
            ranked.append((shared, found))
    ranked.sort(key=lambda pair: -pair[0])
    best = [found for _, found in ranked[:CANDIDATES]]
    large = sorted((item for item in wanted if item.place[0]), key=lambda item: -item.nbytes)
    probe = [item for item in large if item.nbytes >= PROBE][-1:] or large[:1]
    for compared, kept in ((probe, FINALISTS), (large[:SAMPLED], 1)):
        if len(best) > kept:
            costs = [sum(_expected(item, found, objects) for item in compared) for found in best]
            best = [found for _, found in sorted(zip(costs, best, strict=True), key=lambda pair: pair[0])][:kept]
    return best[0] if best else {}


def _expected(item: Task, found: dict[Place, str], objects: Objects) -> float:
    """Bytes that the piece will take against its relative, told from a sample; its own bytes when there is none."""
    base = None if item.place not in found else read_base(found[item.place], item.nbytes, objects)
    if base is None:
        return item.nbytes
    values = as_values(item.take(), item.dtype)
    return item.nbytes * min(1.0, delta_ratio(values, item.dtype, as_values(base.data, item.dtype)))


def read_base(key: str, nbytes: int, objects: Objects) -> Base | None:
    """The piece of `key` as a base, or what it is coded against where its chain is long; None if it is damaged."""
    try:
        chosen = objects.base_for(key)
        data = objects.read(chosen)
    except ElfError:  # `verify` is what tells of damage; without a base the new piece is only larger
        return None
    return Base(chosen, data) if data.size == nbytes else None
