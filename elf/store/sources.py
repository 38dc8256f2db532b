"""The files of a model as they lie on the disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elf.errors import ElfError
from elf.formats import ModelFile, open_model
from elf.formats.base import map_file
from elf.store.disk import explained
from elf.store.manifest import check_path

_HASHED = 16 << 20


@dataclass(frozen=True)
class Source:
    """One model file: where it is, and its path within the model."""

    path: Path
    name: str


def sources(path: Path, notes: list[str]) -> list[Source]:
    """The file, or every file of the folder, sorted by name; links to files are followed.

    Links to folders are not, which `notes` then says. Raises ElfError when there is nothing, or a name that cannot be
    restored elsewhere.
    """
    found = [Source(path, path.name)] if not path.is_dir() else list(_within(path, notes))
    if not found:
        raise ElfError(f"{path}: there are no files in it")
    for source in found:
        check_path(source.name)
    return sorted(found, key=lambda source: source.name)


def _within(folder: Path, notes: list[str]) -> Iterator[Source]:
    def refuse(error: OSError) -> None:
        raise error

    with explained(folder, "cannot be read"):
        for here, folders, files in os.walk(folder, onerror=refuse):
            links = [Path(here, name) for name in folders if Path(here, name).is_symlink()]
            notes += [f"left out: {link} is a link to a folder" for link in links]
            yield from (Source(Path(here, name), Path(here, name).relative_to(folder).as_posix()) for name in files)


def opened(path: Path, notes: list[str] | None = None) -> ModelFile:
    """The model file; one that is damaged or no model is taken as bytes, and said why in `notes`."""
    try:
        return open_model(path)
    except ElfError as error:
        data = map_file(path)  # raises when it cannot even be read
        if data.size and notes is not None:
            notes.append(f"stored as plain bytes: {error}")
        return ModelFile(path, data, "bytes", [])


def sha256_of(model: ModelFile, part: int) -> str:
    """The sha256 of a whole part, read once."""
    state = hashlib.sha256()
    data = model.part(part)
    for start in range(0, data.size, _HASHED):
        state.update(data[start : start + _HASHED].data)
        model.release()
    return state.hexdigest()


def stamp(model: ModelFile) -> tuple[tuple[int, int, int], ...]:
    """What changes when somebody writes to one of the files."""
    with explained(model.path, "cannot be read"):
        found = [part.stat() for part in model.parts]
    return tuple((item.st_ino, item.st_size, item.st_mtime_ns) for item in found)
