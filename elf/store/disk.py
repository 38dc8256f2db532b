"""The locks of a store, and reading, writing and syncing of its files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from elf.errors import ElfError


@contextmanager
def explained(path: Path, what: str = "cannot be written") -> Iterator[None]:
    """What the system refuses, as an ElfError that names the file."""
    try:
        yield
    except OSError as error:
        raise ElfError(f"{path}: {what}: {error.strerror or error}") from error


@contextmanager
def locked(path: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock file `path`, with others or alone; waits for it.

    The system drops the lock with the process, however that ends: a lock is never stale. Each call opens the file
    anew, so that threads of one process exclude each other too.
    """
    try:
        import fcntl
    except ImportError as error:
        raise ElfError("a store needs the file locks of a POSIX system") from error
    with explained(path, "cannot be locked"):
        descriptor = os.open(path, (os.O_RDWR if exclusive else os.O_RDONLY) | os.O_CREAT, 0o666)
    try:
        with explained(path, "cannot be locked"):
            fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def write_new(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that is not there yet, without syncing it; nothing stays when that fails."""
    with explained(path):
        try:
            with path.open("xb") as stream:
                stream.writelines(pieces)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def sync(paths: Iterable[Path]) -> None:
    """Have files and folders on the disk: side by side, since many take it hardly longer than one."""
    for _ in _threads().map(_sync, paths):
        pass


def _sync(path: Path) -> None:
    with explained(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(16, "elf-sync")


def read_whole(path: Path, limit: int) -> bytes:
    """A file of at most `limit` bytes. Raises ElfError when it is missing, unreadable or larger."""
    with explained(path, "cannot be read"), path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ElfError(f"{path}: damaged: it is larger than anything that a store writes there")
    return data
