"""Checksums of files, remembered as long as a file is the same one on disk: 372 MB are not read again on every run."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

from analysis.tables import write_atomically

BLOCK = 1 << 20


class Sums:
    """sha256 and git blob ids by path; a file whose size, modification time or inode changed is read again."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known = _load(memory)
        self._new: dict[str, list[object]] = {}
        self._guard = threading.Lock()

    def sha256(self, path: Path) -> str:
        """64 hexadecimal digits. Raises OSError when the file cannot be read."""
        return self._sum(path, "sha256")

    def git_blob(self, path: Path) -> str:
        """The file's git object id, 40 hexadecimal digits. Raises OSError when the file cannot be read."""
        return self._sum(path, "git_blob")

    def forget(self, path: Path) -> None:
        """Read the file again next time."""
        for kind in ("sha256", "git_blob"):
            self._known.pop(f"{kind} {_real(path)}", None)
            self._new.pop(f"{kind} {_real(path)}", None)

    def save(self) -> None:
        """Remember for the next run, beside what other processes have learnt meanwhile."""
        if self._new:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._memory, json.dumps(_load(self._memory) | self._new).encode())

    def _sum(self, path: Path, kind: str) -> str:
        path = _real(path)
        stat = path.stat()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        key = f"{kind} {path}"
        known = self._known.get(key)
        if known is None or known[1:] != state:
            known = [_read(path, kind, stat.st_size), *state]
            with self._guard:
                self._known[key] = self._new[key] = known
        return str(known[0])


def _real(path: Path) -> Path:
    """One memory for all links to a file; unlike `Path.resolve`, a loop of links is left to whoever opens it."""
    return Path(os.path.realpath(path))


def _read(path: Path, kind: str, size: int) -> str:
    state = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            state.update(block)
    return state.hexdigest()


def _load(memory: Path) -> dict[str, list[object]]:
    try:
        known = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}  # nothing is lost but time
    return known if isinstance(known, dict) else {}
