"""Taking members out of a zip archive: hostile ones leave nothing outside their folder."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wheels import write_zip

from analysis.sources import SourceError
from analysis.sources.unpack import unpack

EVERYTHING = ("**",)


def test_matching_members_are_written_with_their_sizes_and_sums(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"b/x.bin": b"xx", "a.bin": b"a", "c.txt": b"no", "folder/": b""})
    members = unpack(archive, ("*.bin",), tmp_path / "out")
    assert members == {
        name: (len(content), hashlib.sha256(content).hexdigest())
        for name, content in [("a.bin", b"a"), ("b/x.bin", b"xx")]
    }
    assert list(members) == ["a.bin", "b/x.bin"]
    assert (tmp_path / "out/b/x.bin").read_bytes() == b"xx"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a//x", "./x", "C:/x", "a\\..\\x", "a/./x"])
def test_a_member_that_would_leave_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = write_zip(tmp_path / "a.zip", {"ok.bin": b"", name: b"evil"})
    with pytest.raises(SourceError, match="would leave its folder"):
        unpack(archive, EVERYTHING, tmp_path / "out" / "deep")
    assert {path.name for path in tmp_path.rglob("*")} == {"a.zip"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    member = zipfile.ZipInfo("link.bin")
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(SourceError, match="is no plain file"):
        unpack(tmp_path / "a.zip", EVERYTHING, tmp_path / "out")


def test_a_zip_bomb_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"zeros.bin": bytes(100 << 20)})
    with pytest.raises(SourceError, match="a zip bomb"):
        unpack(archive, EVERYTHING, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.bin", "first")
        archive.writestr("a.bin", "second")
    with pytest.raises(FileExistsError):
        unpack(tmp_path / "a.zip", EVERYTHING, tmp_path / "out")


@given(st.data())
def test_a_damaged_archive_is_refused_or_gives_the_right_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("zip")
    members = {"a.bin": b"abc" * 50, "b/c.bin": bytes(range(200))}
    content = bytearray(write_zip(folder / "a.zip", members).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "a.zip").write_bytes(content[: data.draw(st.sampled_from([at, len(content)]))])
    try:
        unpacked = unpack(folder / "a.zip", EVERYTHING, folder / "out")
    except (SourceError, OSError):
        return
    assert {hashlib.sha256(each).hexdigest() for each in members.values()} >= {
        sha256 for _, sha256 in unpacked.values()
    }


def test_a_failure_names_the_archive_not_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    with pytest.raises(SourceError, match=r"^a\.zip cannot be unpacked: File is not a zip file$"):
        unpack(tmp_path / "a.zip", EVERYTHING, tmp_path / "out")
