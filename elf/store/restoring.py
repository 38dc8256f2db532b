"""Restoring the files of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from elf.errors import ElfError
from elf.formats.found import quoted
from elf.skeleton import Buffer, interleave, join
from elf.store.disk import explained
from elf.store.manifest import Manifest, Recipe, Unit
from elf.store.objects import Objects
from elf.store.storing import Progress


def restore_unit(unit: Unit, recipe: Recipe, objects: Objects, target: Path, *, jobs: int, progress: Progress) -> None:
    """Write a model file, and its parts beside it, at once; what is there is replaced, but for data files beside it.

    Bytes are the original ones where nothing was rounded, which their sha256 proves before the file appears; otherwise
    rounded values are within their bound, and the container's own checksums are made right again. Raises ElfError when
    an object is missing or damaged, or a file cannot be written.
    """

    def decoded(keys: tuple[str, ...]) -> Iterator[Buffer]:
        for key in keys:
            data = objects.read(key, threads=jobs)
            yield data.data
            progress(data.size)

    layout = recipe.layout
    changed = [layer.range for layer in recipe.layers if layer.step is not None]
    ranges = (decoded(layer.objects) for layer in recipe.layers)
    pieces = interleave(layout, decoded(recipe.skeleton), ranges)
    join(target, layout, pieces if recipe.rounded else _proved(pieces, unit), changed=changed)


def target_of(folder: Path, path: str) -> Path:
    """Where a file of a model goes in `folder`; makes folders. Raises ElfError when a link there leads outside."""
    target = folder / path
    with explained(target.parent, "cannot be made"):
        folder.mkdir(parents=True, exist_ok=True)
        parent = folder
        for part in Path(path).parent.parts:  # one at a time: nothing is made behind a link
            parent /= part
            parent.mkdir(exist_ok=True)
            if not parent.resolve().is_relative_to(folder.resolve()):
                raise ElfError(f"{parent}: is a link that leaves {folder}: refused")
    if target.is_dir():
        raise ElfError(f"{target}: is a folder: move it away, or restore elsewhere")
    return target


def chosen(manifest: Manifest, file: str | None) -> list[Unit]:
    """The files that are asked for: one by its path, or all. Raises ElfError when there is none of that path."""
    units = [unit for unit in manifest.units if file in (None, unit.path)]
    if not units and file is not None:
        there = ", ".join(quoted(unit.path) for unit in manifest.units[:20])
        raise ElfError(f"model {quoted(manifest.name)} has no file {quoted(file)}; there are: {there}")
    return units


def _proved(pieces: Iterator[Buffer], unit: Unit) -> Iterator[Buffer]:
    """The same pieces, none of which belongs to two parts. Raises ElfError before the last one of a wrong part."""
    parts = [part for part in zip(unit.sizes, unit.sha256, strict=True) if part[0]]
    state, done = hashlib.sha256(), 0
    for piece in pieces:
        state.update(piece)
        done += len(piece)
        if done == parts[0][0]:
            if state.hexdigest() != parts.pop(0)[1]:
                raise ElfError(
                    f"{quoted(unit.path)}: what is restored is not the file that was added: verify the store"
                )
            state, done = hashlib.sha256(), 0
        yield piece
