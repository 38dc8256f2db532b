"""What every source gives: models with their files on disk, and what could not be had."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.config import Family
from analysis.config.entries import Entry
from analysis.sources.sums import Sums

if TYPE_CHECKING:
    from analysis.sources.lock import Lock


@dataclass(frozen=True)
class WeightFile:
    """One file of a model: its POSIX path inside the package, repository or folder, and where it is on this disk."""

    name: str
    path: Path
    bytes: int


@dataclass(frozen=True)
class Model:
    """One model of a study; `revision` pins what it is: a wheel's sha256, a commit, a recipe; empty for local files."""

    family: str
    name: str
    source: str
    revision: str
    task: str
    derived: bool
    files: tuple[WeightFile, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all its files as stored."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class SourceFailure:
    """A model, or one file of it, that could not be had: `error` is a short kind, `reason` one line."""

    family: str
    model: str
    file: str
    error: str
    reason: str


@dataclass
class Found:
    """What one entry of a study came to."""

    models: list[Model] = field(default_factory=list)
    failures: list[SourceFailure] = field(default_factory=list)


@dataclass
class Context:
    """What sources share during a pull.

    The cache folder, remembered checksums, the study's lock file, the models that are there already (derivations come
    last and start from them), notes for the user.
    """

    cache: Path
    sums: Sums
    lock: Lock
    models: dict[str, Model] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def note(self, line: str) -> None:
        """Tell the user something that is not a failure."""
        with self.guard:
            self.notes.append(line)


Source = Callable[[Entry, Family, Context], Found]


def describe(error: OSError, what: str) -> str:
    """An operating system error in one line; a full disk says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}: the disk is full; free some space or give --cache DIR on another disk"
    return f"{what}: {error.strerror or error}"


def in_order(files: Iterable[WeightFile]) -> tuple[WeightFile, ...]:
    """Files by name, so that tables do not depend on the order of a folder."""
    return tuple(sorted(files, key=lambda file: file.name))
