"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from elf.errors import ElfError


@contextmanager
def replacing(*paths: Path) -> Iterator[list[BinaryIO]]:
    """A new file to write for each of `paths`; they take their names, the first one last, when the block is left well.

    Until then they have unique names beside them. When the block raises, or the disk is full, what was there before
    remains and nothing else does. Raises ElfError when a file cannot be written.
    """
    temporaries = [path.with_name(f".{path.name[:80]}.{secrets.token_hex(8)}.tmp") for path in paths]
    try:
        with ExitStack() as stack:
            streams = [_created(stack, path) for path in temporaries]
            yield streams
            for stream in streams:
                stream.flush()
                os.fsync(stream.fileno())
        for temporary, path in reversed(list(zip(temporaries, paths, strict=True))):
            temporary.replace(path)
        _sync_folders(paths)
    except OSError as error:
        raise ElfError(f"{paths[0]}: cannot be written: {error.strerror or error}") from error
    finally:
        for temporary in temporaries:
            with contextlib.suppress(OSError):  # renamed, or never made
                temporary.unlink()


def _created(stack: ExitStack, path: Path) -> BinaryIO:
    return stack.enter_context(path.open("x+b"))


def _sync_folders(paths: Sequence[Path]) -> None:
    """A rename is on the disk when its folder is."""
    if os.name != "posix":
        return
    for folder in {path.parent for path in paths}:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
