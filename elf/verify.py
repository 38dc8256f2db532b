"""Everything that is wrong with an Elves file."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from elf.container import ElvesFile
from elf.errors import ElfError
from elf.restore import restored


def damages(file: ElvesFile, *, jobs: int = 1, progress: Callable[[int], None] | None = None) -> list[str]:
    """A line for each tensor and each piece of skeleton that is damaged; empty when all bytes are what was written.

    An open file has a sound header and index already. Everything is decoded, put together as restoring would, and what
    is lossless compared with the original's digest.
    """
    found = _failure(restored(file, jobs=jobs, progress=progress))
    if found is None:
        return []
    rows = [row for row in file.index.rows if row.payload is not None]
    lines = [_failure(file.pieces(row.tensor, threads=jobs)) for row in rows]
    lines += [_failure(map(file.skeleton, [number])) for number in range(len(file.index.skeleton))]
    return [line for line in lines if line is not None] or [found]


def _failure(pieces: Iterable[object]) -> str | None:
    try:
        for _ in pieces:
            pass
    except ElfError as error:
        return str(error)
    return None
