"""What sources share."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from analysis.sources.base import WeightFile, describe, in_order


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_what_to_do(code: int) -> None:
    told = describe(OSError(code, os.strerror(code)), "model.bin")
    assert told == "model.bin: the disk is full; free some space or give --cache DIR on another disk"


def test_other_errors_keep_the_words_of_the_system() -> None:
    assert describe(PermissionError(errno.EACCES, "Permission denied"), "x") == "x: Permission denied"
    assert describe(OSError("no number"), "x") == "x: no number"


def test_files_come_by_name() -> None:
    files = [WeightFile(name, Path(name), 1) for name in ("b", "a/c", "a")]
    assert [file.name for file in in_order(files)] == ["a", "a/c", "b"]
