"""Folders of verified files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from analysis.sources.folders import about, discard, partial, publish, sweep_partials, verified
from analysis.sources.sums import Sums


def make(scratch: Path, content: bytes = b"content") -> tuple[Path, dict[str, tuple[int, str]]]:
    made = scratch / "files"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "a.bin").write_bytes(content)
    return made, {"deep/a.bin": (len(content), hashlib.sha256(content).hexdigest())}


def sums(folder: Path) -> Sums:
    return Sums(folder / "verified.json")


def test_a_published_folder_is_verified_file_by_file(tmp_path: Path) -> None:
    final = tmp_path / "models" / "x" / "y"
    assert verified(final, sums(tmp_path)) is None
    with partial(tmp_path) as scratch:
        publish(*make(scratch), final, {"wheel": "w"})
    [file] = verified(final, sums(tmp_path)) or ()
    assert (file.name, file.path, file.bytes) == ("deep/a.bin", final / "deep" / "a.bin", 7)
    assert about(final) == {"wheel": "w"}
    file.path.write_bytes(b"damaged")
    assert verified(final, sums(tmp_path)) is None


def test_scratch_is_gone_afterwards_whatever_happened(tmp_path: Path) -> None:
    def fail() -> None:
        with partial(tmp_path) as scratch:
            make(scratch)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list((tmp_path / "models").iterdir()) == []


def test_who_comes_second_leaves_what_is_there(tmp_path: Path) -> None:
    final = tmp_path / "models" / "x"
    for content in (b"first", b"second"):
        with partial(tmp_path) as scratch:
            publish(*make(scratch, content), final, {})
    assert (final / "deep" / "a.bin").read_bytes() == b"first"


def test_a_name_that_is_taken_by_something_else_is_an_error(tmp_path: Path) -> None:
    final = tmp_path / "models" / "x"
    final.parent.mkdir()
    final.write_text("not a folder")
    with partial(tmp_path) as scratch, pytest.raises(OSError, match="x"):
        publish(*make(scratch), final, {})


def test_a_damaged_folder_can_be_taken_away_and_made_again(tmp_path: Path) -> None:
    final = tmp_path / "models" / "x"
    for content in (b"first", b"second"):
        with partial(tmp_path) as scratch:
            discard(final, scratch)
            publish(*make(scratch, content), final, {})
    assert (final / "deep" / "a.bin").read_bytes() == b"second"


def test_only_what_was_left_behind_long_ago_is_swept(tmp_path: Path) -> None:
    old, young = tmp_path / "models" / ".partial-old", tmp_path / "models" / ".partial-young"
    for folder in (old, young):
        make(folder)
    day_before_yesterday = time.time() - 2 * 86400
    os.utime(old, (day_before_yesterday, day_before_yesterday))
    sweep_partials(tmp_path)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".partial-young"]


@pytest.mark.parametrize(
    "record", ["", "[]", "{}", '{"files": []}', '{"files": {"a": 1}}', '{"files": {"gone": [1, "x"]}}']
)
def test_a_damaged_record_counts_as_absent(tmp_path: Path, record: str) -> None:
    (tmp_path / "files.json").write_text(record)
    assert verified(tmp_path, sums(tmp_path)) is None
