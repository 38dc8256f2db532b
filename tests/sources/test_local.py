"""Models on this disk."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest
from wheels import write_study

from analysis.config import load_study
from analysis.sources import Pulled, pull


def pulled(folder: Path, *entries: str) -> Pulled:
    return pull(load_study(write_study(folder, *entries), {}), cache=folder / "cache")


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(result: Pulled) -> list[str]:
    return [file.name for model in result.models for file in model.files]


def test_a_file_is_a_model_of_one_file(tmp_path: Path) -> None:
    write(tmp_path / "run7.bin", b"1234")
    [model] = pulled(tmp_path, "path: run7.bin").models
    assert (model.name, model.source, model.revision, model.task) == ("run7.bin", "path:run7.bin", "", "t")
    assert [(file.name, file.path, file.bytes) for file in model.files] == [("run7.bin", tmp_path / "run7.bin", 4)]


def test_a_folder_is_everything_in_it_that_is_not_hidden(tmp_path: Path) -> None:
    for name in ("b.bin", "a/z.txt", "a/b/c.pt", ".git/config", "a/.cache"):
        write(tmp_path / "run7" / name)
    assert names(pulled(tmp_path, "path: run7")) == ["a/b/c.pt", "a/z.txt", "b.bin"]
    assert names(pulled(tmp_path, "{path: run7, weights: ['*.pt', 'b*']}")) == ["a/b/c.pt", "b.bin"]


def test_home_is_expanded_and_the_table_says_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(tmp_path / "home" / "m.bin")
    [model] = pulled(tmp_path, "path: ~/m.bin").models
    assert (model.source, model.files[0].path) == ("path:~/m.bin", tmp_path / "home" / "m.bin")


def test_links_are_followed_and_what_has_two_names_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "blobs" / "1", b"12345")
    write(tmp_path / "blobs" / "2", b"67")
    (tmp_path / "run7").mkdir()
    (tmp_path / "run7" / "model.bin").symlink_to("../blobs/1")
    (tmp_path / "run7" / "more").symlink_to("../blobs")
    assert [(file.name, file.bytes) for file in pulled(tmp_path, "path: run7").models[0].files] == [
        ("model.bin", 5),
        ("more/2", 2),
    ]


def test_loops_of_links_and_files_that_cannot_be_read_are_failures_and_the_rest_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "run7"
    write(folder / "deep" / "good.bin")
    (folder / "deep" / "up").symlink_to("..")
    (folder / "itself").symlink_to("itself")
    (folder / "nowhere").symlink_to("gone")
    os.mkfifo(folder / "pipe")
    result = pulled(tmp_path, "path: run7")
    assert names(result) == ["deep/good.bin"]
    assert sorted((failure.file, failure.error, failure.reason) for failure in result.failures) == [
        ("deep/up", "OSError", "cannot be read: a link that leads back to a folder it is in"),
        (
            "itself",
            "OSError",
            f"cannot be read: {os.strerror(errno.ELOOP)}",
        ),
        ("nowhere", "FileNotFoundError", "cannot be read: No such file or directory"),
        ("pipe", "OSError", "cannot be read: not a plain file"),
    ]


def test_a_socket_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("m.bin")  # a short name: the path of a socket is limited
        result = pulled(tmp_path, "path: m.bin")
    assert [(failure.error, failure.reason) for failure in result.failures] == [
        ("OSError", "cannot be read: not a plain file")
    ]


def test_a_name_that_is_not_utf8_is_spelled_out(tmp_path: Path) -> None:
    folder = tmp_path / "run7"
    folder.mkdir()
    try:
        (folder / os.fsdecode(b"m\xff.bin")).write_bytes(b"x")
    except OSError:  # a file system that allows only UTF-8 has no such names
        write(folder / "m\\xff.bin")
    [name] = names(pulled(tmp_path, "path: run7"))
    assert name == "m\\xff.bin"


@pytest.mark.parametrize(
    ("entry", "kind", "reason"),
    [
        ("path: gone", "FileNotFoundError", "gone: no such file or folder"),
        ("path: empty", "NothingMatches", "empty: no file is in it"),
        ("{path: full, weights: ['*.bin']}", "NothingMatches", "full: no file matches *.bin"),
        (
            "path: ~nobody-of-this-name/x",
            "NoHome",
            "~nobody-of-this-name/x: this user has no home folder; write the path out",
        ),
    ],
)
def test_a_path_without_a_model_says_why(tmp_path: Path, entry: str, kind: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "full" / "a.txt")
    [failure] = pulled(tmp_path, entry).failures
    assert (failure.error, failure.reason) == (kind, reason)


def test_a_relative_path_starts_at_the_file_it_is_written_in(tmp_path: Path) -> None:
    write(tmp_path / "families" / "m.bin")
    write(tmp_path / "families" / "fam.yaml", b"families: [{name: g, models: [path: m.bin]}]")
    (tmp_path / "mine.yaml").write_text("include: [families/fam.yaml]")
    [model] = pull(load_study(tmp_path / "mine.yaml", {}), cache=tmp_path / "cache").models
    assert model.files[0].path == tmp_path / "families" / "m.bin"
