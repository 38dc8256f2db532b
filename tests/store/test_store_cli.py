"""`elves store` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from store_models import files, objects, save, tuned, weights

from elf.cli import main
from elf.store import Store


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model and its fine-tune."""
    base = weights(1)
    save(tmp_path / "base" / "m.safetensors", base)
    save(tmp_path / "tuned" / "m.safetensors", tuned(base, 2))
    return tmp_path


def elves(*arguments: object) -> int:
    return main(["store", *map(str, arguments)])


def test_the_way_from_add_to_restore_and_gc(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = models / "store"
    assert elves("add", store, models / "base", "--lossless") == 0
    assert elves("add", store, models / "tuned", "--name", "mine", "--relative-to", "base", "--lossless") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("mine: 1 files, 12.9 kB; the store grew by")
    assert elves("list", store) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["base", "1", "12.9", "kB", "exact"],
        ["mine", "1", "12.9", "kB", "exact"],
    ]
    assert elves("restore", store, "mine", "--to", models / "back") == 0
    assert capsys.readouterr().out == f"{models}/back/m.safetensors\n"
    assert files(models / "back") == files(models / "tuned")
    assert elves("stats", store) == 0
    assert "deltas" in capsys.readouterr().out
    assert elves("remove", store, "mine") == 0
    assert elves("gc", store, "--dry-run") == 0
    assert "would remove" in capsys.readouterr().out
    assert elves("gc", store) == 0
    assert elves("verify", store) == 0
    assert "ok: 1 models" in capsys.readouterr().out


def test_every_command_speaks_json(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = models / "store"
    spoken = {}
    for verb, *more in (
        ("add", models / "base", "--name", "m", "--bound", "1e-5"), ("list",), ("stats",), ("verify",),
        ("restore", "m", "--to", models / "back"), ("remove", "m"), ("gc",),
    ):  # fmt: skip
        assert elves(verb, store, *more, "--json") == 0
        spoken[verb] = json.loads(capsys.readouterr().out)
    assert spoken["add"]["new_bytes"] > 0
    assert spoken["list"] == [{"name": "m", "files": 1, "bytes": spoken["add"]["bytes"], "lossy": True}]
    assert sum(spoken["stats"]["steps"].values()) == spoken["stats"]["stored"]
    assert spoken["verify"]["damages"] == []
    assert spoken["gc"]["objects"] == spoken["verify"]["objects"]


def test_damage_is_a_line_each_and_exit_code_one(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elves("add", models / "store", models / "base", "--name", "m")
    hit = objects(Store(models / "store"))[:2]
    hit[0].unlink()
    hit[1].write_bytes(hit[1].read_bytes()[:-1])
    capsys.readouterr()
    assert elves("verify", models / "store") == 1
    told = capsys.readouterr()
    assert [path.name in line for path, line in zip(hit, told.err.splitlines(), strict=True)] == [True, True]
    assert "(needed by m)" in told.err
    assert "2 damaged" in told.out


def test_mistakes_are_one_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert elves("list", models / "nowhere") == 1
    assert elves("add", models / "store", models / "base", "--lossless", "--bound", "1e-3") == 2
    elves("add", models / "store", models / "base")
    assert elves("restore", models / "store", "bass", "--to", models / "back") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[2] == f"elves: {models}/store: has no model 'bass'; there are: 'base'"
    with pytest.raises(SystemExit, match="2"):
        elves("restore", models / "store", "base")


def test_what_was_stored_as_plain_bytes_is_said(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "base" / "cut.safetensors").write_bytes((models / "base" / "m.safetensors").read_bytes()[:-1])
    assert elves("add", models / "store", models / "base") == 0
    assert "stored as plain bytes: " in capsys.readouterr().err
