"""Studies of odd files: what cannot be read takes nothing else along, and no file gets what belongs to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from safetensors.numpy import save_file

from analysis import run
from analysis.config import load_study
from analysis.measures.compression import CompressionParams
from analysis.places import Places
from analysis.results import Results, read
from analysis.steps import run_study
from analysis.views import compression as views

WEIGHTS = {"w": np.random.default_rng(3).normal(0, 1, 3000).astype(np.float32)}


def measured(folder: Path, measures: str) -> Results:
    path = folder / "mine.yaml"
    path.write_text(f"families: [{{name: f, models: [{{path: model, name: m}}]}}]\nmeasures: {{{measures}}}\n")
    finished = run_study(load_study(path), Places(folder / "cache", folder / "results"), jobs=1)
    return read("mine", finished.tables)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file(WEIGHTS, folder / "a.safetensors")
    save_file({"w": WEIGHTS["w"] + np.float32(0.001)}, folder / "z.safetensors")
    return folder


def test_a_file_that_cannot_be_read_takes_neither_its_family_nor_the_denominator_along(
    model: Path, tmp_path: Path
) -> None:
    (model / "broken.safetensors").write_bytes((model / "a.safetensors").read_bytes()[:-100])
    results = measured(tmp_path, "zstd_beyond: {}, composition: {codecs: [stored, elves], fastcdc: [], xet: false}")
    size = 2 * (model / "a.safetensors").stat().st_size
    assert set(results.long_distance["bytes_in"]) == {size}
    assert set(results.waterfall.loc[results.waterfall["step"] == "as stored", "bytes"]) == {size}


def test_each_of_two_equal_files_is_named_in_its_own_failure(model: Path, tmp_path: Path) -> None:
    for name in ("one.bin", "two.bin"):
        (model / name).touch()
    results = measured(tmp_path, "hash_dedup: {fixed: [512], fastcdc: [], xet: false}")
    assert list(results.failures["reason"]) == ["one.bin: is empty", "two.bin: is empty"]


def test_a_file_that_went_away_between_the_rounds_is_the_one_that_is_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_groups = run.plan_groups

    def gone(*args: object) -> None:
        (model / "z.safetensors").unlink()
        plan_groups(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "plan_groups", gone)
    results = measured(tmp_path, "zstd_beyond: {}")
    assert list(results.failures["file"]) == ["z.safetensors"]


def test_files_without_layers_have_rows_in_the_tables_of_elves(model: Path, tmp_path: Path) -> None:
    (model / "no layers.bin").write_bytes(b"x" * 100)
    results = measured(tmp_path, "elves: {ours: [lossless], peers: [], bounds: []}")
    assert len(results.elves_files) == 3


def test_two_spellings_of_one_method_are_given_twice() -> None:
    with pytest.raises(ValidationError, match="given twice"):
        CompressionParams(methods=["zstd", "zstd:level=3"])


def test_labels_are_text_even_of_no_row() -> None:
    none = pd.DataFrame({name: pd.Series([], dtype=object) for name in ("transform", "codec", "params")})
    assert views.labelled(none)["method"].dtype == none["codec"].dtype
