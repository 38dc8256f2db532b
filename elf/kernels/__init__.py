"""Compiled loops over contiguous arrays: NumPy and numba only, no thread of their own, the GIL released.

`kernel` compiles a function at its first call and keeps the machine code in one named folder, so that a machine
compiles once: $NUMBA_CACHE_DIR when it is set, else `elves/numba` in the user's cache folder, else a private temporary
folder. numba is imported with the first module of this package that holds a kernel, never by `import elf`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., object])

_folder: Path | None = None


def kernel(function: Function) -> Function:
    """Compile `function` without the GIL and cache the machine code in `cache_folder()`.

    numba's own setting is put back afterwards: what a caller compiles is kept where the caller wants it.
    """
    import numba  # half a second that `import elf` must not pay
    from numba.core import config as numba_config

    config: Any = numba_config

    global _folder  # noqa: PLW0603
    _folder = _folder or cache_folder()
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_folder)
    try:
        compiled: Any = numba.njit(nogil=True, cache=True)(function)
    finally:
        config.CACHE_DIR = before
    return cast(Function, compiled)


def cache_folder() -> Path:
    """The folder where compiled kernels are kept; it exists and can be written to."""
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(named)
    return _usable(_user_cache()) or _usable(_shared_temporary()) or Path(tempfile.mkdtemp(prefix="elves-numba-"))


def _user_cache() -> Path | None:
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "elves" / "numba"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "elves" / "numba"


def _shared_temporary() -> Path | None:
    """One folder per user, so that the workers of a run without a home compile once and not each."""
    return Path(tempfile.gettempdir()) / f"elves-numba-{os.getuid()}" if hasattr(os, "getuid") else None


def _usable(folder: Path | None) -> Path | None:
    """`folder`, if it is ours alone and writable: machine code in it is run, so nobody else may put it there."""
    if folder is None or not folder.is_absolute():
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            status = folder.lstat()
    except OSError:
        return None
    ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return folder if ours and not folder.is_symlink() and not status.st_mode & 0o022 else None
