"""The lock file of a study: the commit that each unpinned Hub entry was resolved to, once."""

from __future__ import annotations

import threading
from pathlib import Path

from analysis.config.document import read_document
from analysis.sources.errors import SourceError
from analysis.tables import write_atomically

_HEAD = """\
# The commits that the unpinned Hub entries of {study} were resolved to.
# Delete a line, or this file, to have it resolved again.
"""


class Lock:
    """`org/name@revision` -> commit, in STUDY.lock.yaml beside the study; in the cache where that is read-only."""

    def __init__(self, study: Path, cache: Path) -> None:
        self.study = study
        self.beside = study.with_name(f"{study.stem}.lock.yaml")
        self.fallback = cache / "locks" / self.beside.name
        self._guard = threading.Lock()

    def get(self, entry: str) -> str | None:
        """The commit of an entry. Raises SourceError when a lock file is damaged."""
        return _read(self.beside).get(entry) or _read(self.fallback).get(entry)

    def put(self, entry: str, commit: str) -> Path:
        """Remember a commit, at once and whole. Returns the file that holds it now."""
        with self._guard:
            try:
                return self._write(self.beside, entry, commit)
            except OSError:  # a read-only folder: the caller tells the user where the lock went
                self.fallback.parent.mkdir(parents=True, exist_ok=True)
                return self._write(self.fallback, entry, commit)

    def _write(self, path: Path, entry: str, commit: str) -> Path:
        known = sorted({**_read(path), entry: commit}.items())
        lines = "".join(f'"{entry}": "{commit}"\n' for entry, commit in known)
        write_atomically(path, (_HEAD.format(study=self.study.name) + lines).encode())
        return path


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    document = read_document(path)
    if document.problems or not isinstance(document.data, dict):
        reason = str(document.problems[0]) if document.problems else f"{path} is not a map of commits"
        raise SourceError("BadLock", f"{reason}; repair the lock file or delete it")
    return {entry: str(commit) for entry, commit in document.data.items()}
