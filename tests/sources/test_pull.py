"""Pulling a study as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from wheels import write_study

from analysis.config import PathEntry, load_study
from analysis.sources import SourceError, pull, pull_one


def test_models_come_in_the_order_of_the_study_however_many_work(tmp_path: Path) -> None:
    names = [f"{index}.bin" for index in range(20)]
    for name in names:
        (tmp_path / name).write_text(name)
    study = load_study(write_study(tmp_path, *(f"path: {name}" for name in names), "path: gone"), {})
    one = pull(study, cache=tmp_path / "one", jobs=1)
    assert [model.name for model in one.models] == names
    assert pull(study, cache=tmp_path / "many", jobs=8) == one


def test_progress_is_told_for_every_entry_derivations_and_failures_included(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("a")
    study = load_study(write_study(tmp_path, "path: a.bin", "path: gone", "derive: {from: gone, cast: float16}"), {})
    told: list[tuple[int, int, str]] = []
    pull(study, cache=tmp_path / "cache", progress=lambda *what: told.append(what))
    assert [(done, total) for done, total, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert {name for _, _, name in told} == {"a.bin", "gone", "gone+float16"}


def test_an_interruption_stops_the_pull(tmp_path: Path) -> None:
    study = load_study(write_study(tmp_path, "path: a.bin", "path: b.bin"), {})

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(study, cache=tmp_path / "cache", progress=interrupt)


def test_a_cache_that_cannot_be_written_stops_the_pull(tmp_path: Path) -> None:
    (tmp_path / "base.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (tmp_path / "cache").write_text("a file where the cache should be")
    study = load_study(
        write_study(tmp_path, "path: base.safetensors", "derive: {from: base.safetensors, cast: float16}"), {}
    )
    with pytest.raises(OSError, match="cache"):
        pull(study, cache=tmp_path / "cache")


def test_one_model_can_be_had_without_a_study(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("a")
    assert pull_one(PathEntry(path=str(tmp_path / "a.bin")), cache=tmp_path / "cache").bytes == 1
    with pytest.raises(SourceError, match="no such file or folder"):
        pull_one(PathEntry(path=str(tmp_path / "gone")), cache=tmp_path / "cache")
