"""`import elf` is cheap, and everything that it offers is there when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from commands import PROJECT

import elf


@pytest.mark.parametrize("name", elf.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(elf, name).__doc__


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'elf' has no attribute 'nothing'"):
        _ = elf.nothing


def test_importing_elf_loads_no_library() -> None:
    code = "import sys, elf; print({'numpy', 'numba', 'zstandard', 'pcodec', 'h5py'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
