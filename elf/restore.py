"""From an Elves file back to the original file, or to a plain safetensors file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import xxhash

from elf.coding import STRIDE
from elf.container import ElvesFile, decode_bytes
from elf.errors import ElfError
from elf.formats.found import quoted
from elf.payload import in_order
from elf.skeleton import Buffer, Pieces, Range, interleave, join

TASK = 1 << 22
"""Decoded bytes that a thread makes at a time."""

Progress = Callable[[int], None]


def restore(file: ElvesFile, target: Path, *, jobs: int = 1, progress: Progress | None = None) -> None:
    """Write the original file, and its other parts beside it: byte for byte, but for the values of lossy tensors.

    Raises ElfError when the file is damaged, is not what it was made from, or cannot be written; nothing is then left.
    """
    join(target, file.index.layout, restored(file, jobs=jobs, progress=progress), changed=lossy_ranges(file))


def lossy_ranges(file: ElvesFile) -> list[Range]:
    """Where the original file has other bytes than the restored one may have."""
    return [item for item, row in file.index.ranges if not file.payload(row).head.codec.lossless]


def restored(file: ElvesFile, *, jobs: int = 1, progress: Progress | None = None) -> Iterator[Buffer]:
    """All bytes of all parts in order. A part that holds nothing lossy is checked against the original's digest."""
    pieces = Pieces(_joined(file, jobs))
    lossy = {item.part for item in lossy_ranges(file)}
    done = 0
    for part, size in enumerate(file.index.sizes):
        digest = xxhash.xxh3_128()
        for piece in pieces.take(size):
            digest.update(piece)
            yield piece
            done += len(piece)
            if done > STRIDE:
                done = 0
                file.release()
            if progress is not None:
                progress(len(piece))
        if part not in lossy and digest.hexdigest() != file.index.digests[part]:
            raise ElfError(f"{file.path}: what it restores to is not the file that it was made from")
    pieces.end()


def _joined(file: ElvesFile, jobs: int) -> Iterator[Buffer]:
    """Skeleton and ranges in the order of the file; ranges are decoded ahead by `jobs` threads."""
    tasks = [list(_tasks(number, item.size)) for number, (item, _) in enumerate(file.index.ranges)]

    def decode(task: Range) -> memoryview:
        row = file.index.ranges[task.part][1]
        try:
            return decode_bytes(file.payload(row), task.start, task.stop).data
        except ElfError as error:
            raise ElfError(f"{file.path}: tensor {quoted(row.tensor.name)}: {error}") from error

    decoded = in_order(decode, [task for some in tasks for task in some], jobs)
    ranges: Iterable[Iterable[Buffer]] = ((next(decoded) for _ in some) for some in tasks)
    skeleton = (file.skeleton(number).data for number in range(len(file.index.skeleton)))
    return interleave(file.index.layout, skeleton, ranges)


def _tasks(number: int, size: int) -> Iterator[Range]:
    """Runs of the decoded bytes of range `number`."""
    for start in range(0, size, TASK):
        yield Range(number, start, min(start + TASK, size))
