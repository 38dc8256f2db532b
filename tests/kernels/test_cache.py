"""Where compiled kernels are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = """
import numpy as np
from elf.kernels.planes import take
take(np.zeros(8, np.uint8), np.uint8(0), 8, np.zeros(8, np.uint8))
from numba.core import config
print(sum(take.stats.cache_hits.values()), sum(take.stats.cache_misses.values()), repr(config.CACHE_DIR))
"""
WHERE = "from elf.kernels import cache_folder; print(cache_folder())"


def run(code: str, **settings: str) -> str:
    """What a fresh Python prints, with nothing in its environment that names a folder but `settings`."""
    keep = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code], env={**keep, "PYTHONPATH": str(Path.cwd()), **settings}, capture_output=True,
        text=True, check=True,
    ).stdout.strip()  # fmt: skip


def test_a_kernel_is_compiled_once_and_numbas_own_setting_is_left_alone(tmp_path: Path) -> None:
    assert run(COUNT, XDG_CACHE_HOME=str(tmp_path)) == "0 1 ''"
    assert run(COUNT, XDG_CACHE_HOME=str(tmp_path)) == "1 0 ''"
    assert [path.name for path in tmp_path.iterdir()] == ["elves"]


def test_the_users_own_setting_comes_first(tmp_path: Path) -> None:
    assert run(WHERE, NUMBA_CACHE_DIR=str(tmp_path / "a"), XDG_CACHE_HOME=str(tmp_path)) == str(tmp_path / "a")


def test_then_the_cache_folder_of_the_user(tmp_path: Path) -> None:
    assert run(WHERE, XDG_CACHE_HOME=str(tmp_path), HOME="/") == str(tmp_path / "elves" / "numba")
    below = "Library/Caches" if sys.platform == "darwin" else ".cache"
    assert run(WHERE, HOME=str(tmp_path)) == str(tmp_path / below / "elves" / "numba")


def test_without_a_writable_home_one_private_temporary_folder_serves_all_processes(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    first, second = (run(WHERE, HOME=str(blocked), TMPDIR=str(tmp_path)) for _ in range(2))
    assert first == second
    assert Path(first).parent == tmp_path
    assert Path(first).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, linked: bool) -> None:
    open_to_all = tmp_path / "open" if linked else tmp_path / "elves" / "numba"
    open_to_all.mkdir(parents=True)
    open_to_all.chmod(0o777)
    if linked:
        (tmp_path / "elves").mkdir()
        (tmp_path / "elves" / "numba").symlink_to(open_to_all)
    chosen = run(WHERE, XDG_CACHE_HOME=str(tmp_path), TMPDIR=str(tmp_path))
    assert Path(chosen) != tmp_path / "elves" / "numba"
    assert Path(chosen).stat().st_mode & 0o077 == 0
