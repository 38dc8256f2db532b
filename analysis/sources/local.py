"""Models on this disk: a file, or a folder with everything in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from analysis.config import Family, PathEntry
from analysis.config.entries import Entry
from analysis.sources.base import Context, Found, Model, SourceFailure, WeightFile, in_order
from analysis.sources.errors import SourceError
from analysis.sources.patterns import matches


def pull_path(entry: Entry, family: Family, context: Context) -> Found:
    """The model of a `path:` entry; each file that cannot be read is a failure of its own.

    Raises SourceError when there is no such path, or nothing in it to read.
    """
    assert isinstance(entry, PathEntry)
    root = _root(entry, family)
    found = Found()
    files = []
    seen: dict[tuple[int, int] | str, str] = {}
    for name, path in [(root.name, root)] if root.is_file() else _walk(root, entry.weights):
        try:
            size = _readable_size(path)
            if first := _twin(path, _printable(name), seen):
                context.note(f"{entry.label}: {_printable(name)} is {first} by another name, and is counted once")
            else:
                files.append(WeightFile(_printable(name), path, size))
        except OSError as error:
            failure = SourceFailure(family.name, entry.label, _printable(name), type(error).__name__, _reason(error))
            found.failures.append(failure)
    if not files and not found.failures:
        which = f"matches {', '.join(entry.weights)}" if entry.weights else "is in it"
        raise SourceError("NothingMatches", f"{entry.path}: no file {which}")
    if files:
        source, task = f"path:{entry.path}", entry.task or family.task
        found.models.append(Model(family.name, entry.label, source, "", task, False, in_order(files)))
    return found


def _root(entry: PathEntry, family: Family) -> Path:
    try:
        root = family.origin.parent / Path(entry.path).expanduser()
    except RuntimeError as error:
        raise SourceError("NoHome", f"{entry.path}: this user has no home folder; write the path out") from error
    if not os.path.lexists(root):
        raise SourceError("FileNotFoundError", f"{entry.path}: no such file or folder")
    return root.absolute()


def _walk(root: Path, weights: tuple[str, ...] | None) -> Iterator[tuple[str, Path]]:
    """Files below `root` that are not hidden, by name. Links are followed; one that leads back up is given as it is."""
    pending: list[tuple[Path, tuple[Path, ...]]] = [(root, ())]
    while pending:
        folder, above = pending.pop()
        real = folder.resolve(strict=False)
        try:
            inside = sorted(folder.iterdir()) if real not in above else None
        except OSError:
            inside = None
        if inside is None:  # a loop, or a folder that cannot be listed: reading it says why
            yield folder.relative_to(root).as_posix(), folder
            continue
        for path in (path for path in inside if not path.name.startswith(".")):
            name = path.relative_to(root).as_posix()
            if path.is_dir():
                pending.append((path, (*above, real)))
            elif weights is None or matches(name, weights):
                yield name, path


def _readable_size(path: Path) -> int:
    """Size in bytes of a plain file that can be opened. Raises OSError saying why when it is none."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        next(path.iterdir(), None)
        raise OSError("a link that leads back to a folder it is in")
    if not stat.S_ISREG(status.st_mode):
        raise OSError("not a plain file")
    with path.open("rb"):
        return status.st_size


def _twin(path: Path, name: str, seen: dict[tuple[int, int] | str, str]) -> str | None:
    """The name under which the same bytes on disk, or a file whose name prints the same, came before."""
    status = path.stat()
    keys = ((status.st_dev, status.st_ino), name)
    first = next((seen[key] for key in keys if key in seen), None)
    seen.update(dict.fromkeys(keys, first or name))
    return first


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _printable(name: str) -> str:
    """The name, with the bytes that are not UTF-8 spelled out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
