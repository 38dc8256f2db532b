"""Dictionaries are trained on one half and measured on the other; streams come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from analysis.compression.trained import pieces, streamed, trained, units_of
from analysis.measures.zstd_beyond import MEASURE, ZstdBeyondParams
from elf.formats import open_model

WORDS = [f"layer.{i}.attention.weight = {i * i}".encode() * 3 for i in range(2000)]


def test_a_dictionary_helps_small_units_that_resemble_each_other() -> None:
    row = trained(WORDS, 3, 4096, 1 << 20)
    assert row is not None
    assert (row["n_train"], row["n_test"]) == (1000, 1000)
    assert row["bytes_in"] == sum(map(len, WORDS[1::2]))
    assert row["bytes_out"] < row["bytes_out_without"] <= row["bytes_in"] + 4 * 1000
    assert 0 < row["bytes_dictionary"] <= 4096


def test_training_sees_no_more_bytes_than_it_may() -> None:
    row = trained(WORDS, 3, 4096, 30_000)
    assert row is not None
    assert row["n_train"] * 100 <= 60_000


@pytest.mark.parametrize("units", [[], [b"a"], [b"abcdefgh"] * 2])
def test_too_little_to_train_on_is_no_row(units: list[bytes]) -> None:
    assert trained(units, 3, 4096, 1 << 20) is None


def test_a_family_with_equal_files_is_stored_once_by_a_long_window(tmp_path: Path) -> None:
    values = np.random.default_rng(1).standard_normal(900_000).astype(np.float32)
    for name in ("a", "b"):
        save_file({"w": values}, tmp_path / f"{name}.safetensors")
    models = [open_model(tmp_path / f"{name}.safetensors") for name in ("a", "b")]
    found: dict[str, list[dict[str, object]]] = {}
    MEASURE.run(models, ZstdBeyondParams(), lambda name, table: found.setdefault(name, []).extend(table.to_pylist()))
    out = {(row["method"], row["scope"]): int(str(row["bytes_out"])) for row in found["long"]}
    assert out["zstd long", "family"] < 0.6 * out["zstd long", "file"]
    assert {row["bytes_in"] for row in found["long"]} == {sum(model.part(0).size for model in models)}
    assert streamed(pieces(models[:1]), 3, None) * 2 == out["zstd", "file"]
    assert len(units_of(models, "chunk-65536", 1)) == 2 * 55
