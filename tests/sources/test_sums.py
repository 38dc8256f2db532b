"""Checksums that are remembered as long as a file is the same one."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from analysis.sources.sums import Sums


def sums(folder: Path) -> Sums:
    return Sums(folder / "memory" / "verified.json")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def remembered(folder: Path, file: Path) -> None:
    first = sums(folder)
    first.sha256(file)
    first.save()


def test_sums_are_those_of_hashlib_and_git(tmp_path: Path, file: Path) -> None:
    assert sums(tmp_path).sha256(file) == hashlib.sha256(b"content").hexdigest()
    assert sums(tmp_path).git_blob(file) == hashlib.sha1(b"blob 7\0content").hexdigest()


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path, file: Path) -> None:
    remembered(tmp_path, file)
    memory = tmp_path / "memory" / "verified.json"
    memory.write_text(memory.read_text().replace(hashlib.sha256(b"content").hexdigest(), "from memory"))
    assert sums(tmp_path).sha256(file) == "from memory"


@pytest.mark.parametrize("change", ["time", "size", "inode"])
def test_a_file_that_changed_in_any_way_is_read_again(tmp_path: Path, file: Path, change: str) -> None:
    remembered(tmp_path, file)
    status = file.stat()
    if change == "inode":
        other = tmp_path / "other"
        other.write_bytes(b"CONTENT")
        other.replace(file)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        file.write_bytes(b"CONTENT" if change == "time" else b"longer content")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + (change == "time")))
    assert sums(tmp_path).sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_links_to_a_file_share_one_memory(tmp_path: Path, file: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    remembered(tmp_path, link)
    assert list(json.loads((tmp_path / "memory" / "verified.json").read_text())) == [f"sha256 {file.resolve()}"]


def test_saving_keeps_what_others_learnt_meanwhile(tmp_path: Path, file: Path) -> None:
    mine, theirs = sums(tmp_path), sums(tmp_path)
    mine.sha256(file)
    theirs.git_blob(file)
    theirs.save()
    mine.save()
    assert len(json.loads((tmp_path / "memory" / "verified.json").read_text())) == 2


def test_a_forgotten_file_is_read_again(tmp_path: Path, file: Path) -> None:
    known = sums(tmp_path)
    status = file.stat()
    known.sha256(file)
    file.write_bytes(b"CONTENT")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    known.forget(file)
    assert known.sha256(file) == hashlib.sha256(b"CONTENT").hexdigest()


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"sha256 x": []}'])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, file: Path, damage: str) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "verified.json").write_text(damage)
    assert sums(tmp_path).sha256(file) == hashlib.sha256(b"content").hexdigest()


def test_a_file_that_cannot_be_read_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sums(tmp_path).sha256(tmp_path / "gone")
