from __future__ import annotations

import io
import struct
import zipfile

import format_files as files
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elf.errors import ElfError
from elf.formats.zips import Window, content, is_zip, members


def _data(raw: bytes) -> np.ndarray:
    return np.frombuffer(raw, np.uint8)


def _patched(raw: bytes, offset: int, value: bytes) -> np.ndarray:
    """The archive with another value in the directory's only entry."""
    at = raw.index(b"PK\1\2") + offset
    return _data(raw[:at] + value + raw[at + len(value) :])


@given(st.dictionaries(st.text("abc/", min_size=1), st.binary(max_size=300), max_size=5), st.sampled_from([0, 8]))
def test_members_read_back(parts: dict[str, bytes], method: int) -> None:
    data = _data(files.zipped(parts, method))
    found = members(data)
    assert {name: content(member, data, member.size).tobytes() for name, member in found.items()} == parts
    assert {name: content(member, data, 3).tobytes() for name, member in found.items()} == {
        name: part[:3] for name, part in parts.items()
    }


def test_a_stored_member_is_a_view_of_the_file() -> None:
    data = _data(files.zipped({"a": b"hello"}))
    member = members(data)["a"]
    assert np.shares_memory(content(member, data, 5), data)
    assert data[member.start : member.start + member.length].tobytes() == b"hello"


def test_large_archives_read() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(b"hello")
    data = _data(stream.getvalue())
    assert content(members(data)["a"], data, 9).tobytes() == b"hello"


def test_a_bomb_gives_no_more_than_was_asked_for() -> None:
    data = _data(files.zipped({"a": bytes(50_000_000)}, 8))
    assert content(members(data)["a"], data, 1000).size == 1000


def test_the_checksum_of_a_deflated_member_is_checked() -> None:
    data = _patched(files.zipped({"a": b"hello" * 9}, 8), 16, b"\0\0\0\0")
    with pytest.raises(ElfError, match="wrong size or checksum"):
        content(members(data)["a"], data, 45)


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (42, struct.pack("<I", 3), "no header where the directory says|cannot be read"),
        (20, struct.pack("<I", 900), "lies outside the file|cannot be read"),
        (8, b"\1\0", "is encrypted"),
        (10, b"\x0c\0", "neither stored nor deflated"),
        (24, struct.pack("<I", 4), "two different sizes"),
    ],
)
def test_a_lying_directory_is_refused(offset: int, value: bytes, reason: str) -> None:
    with pytest.raises(ElfError, match=reason):
        members(_patched(files.zipped({"a": b"hello"}), offset, value))


def test_a_name_that_comes_twice_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a", b"2")
    with pytest.raises(ElfError, match="twice"):
        members(_data(stream.getvalue()))


def test_an_archive_is_told_even_when_it_is_cut_off() -> None:
    assert is_zip(_data(b"PK\3\4rest"))
    assert is_zip(_data(b"PK"))
    assert not is_zip(_data(b"P"))
    assert not is_zip(_data(b"PA"))
    with pytest.raises(ElfError, match="truncated"):
        members(_data(b"PK\3\4rest"))


def test_a_window_is_a_file() -> None:
    window = io.BufferedReader(Window(_data(b"0123456789")))
    assert window.read(3) == b"012"
    assert window.seek(-2, io.SEEK_END) == 8
    assert (window.read(), window.tell(), window.read()) == (b"89", 10, b"")
    assert (window.seek(100), window.read()) == (100, b"")
    with pytest.raises(OSError, match="before the start"):
        Window(_data(b"0")).seek(-1)
