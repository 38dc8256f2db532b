"""Content digests of files, remembered as long as the file is the same one on disk."""

from __future__ import annotations

import json
from pathlib import Path

import xxhash

from analysis.tables import write_atomically

BLOCK = 16 << 20


class Digests:
    """xxh3-128 digests by path; a file whose size, modification time or inode changed is read again."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list[object]] = _load(memory)
        self._changed = False

    def of(self, path: Path) -> str:
        """32 hexadecimal digits. Raises OSError when the file cannot be read."""
        stat = path.stat()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        known = self._known.get(str(path))
        if known is None or known[1:] != state:
            known = [_digest(path), *state]
            self._known[str(path)] = known
            self._changed = True
        return str(known[0])

    def save(self) -> None:
        """Remember for the next run."""
        if self._changed:
            write_atomically(self._memory, json.dumps(self._known).encode())


def _load(memory: Path) -> dict[str, list[object]]:
    try:
        known = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _digest(path: Path) -> str:
    state = xxhash.xxh3_128()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            state.update(block)
    return state.hexdigest()
