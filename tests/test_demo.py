"""The tables of notebook 07: made by one command, the same every time, and what the figures need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import PROJECT
from model_files import WEIGHT, written

from analysis.figures.elf import bit_fields, error_distribution, size_by_error
from elf.demo import main
from elf.errors import ElfError

TABLES = ("tensors", "bits", "errors", "bounds")


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, pd.DataFrame]:
    source = written("model.npz", tmp_path)
    assert main([str(tmp_path), f"weight={source}:layer.weight", f"bias={source}:layer.bias"]) == 0
    return {name: pd.read_csv(tmp_path / f"{name}.csv") for name in TABLES}


def test_the_tables_say_what_a_plain_count_says(tables: dict[str, pd.DataFrame]) -> None:
    weight = tables["tensors"].set_index("name").loc["weight"]
    back = np.rint(np.abs(WEIGHT.astype("f8")) * 2**23) / 2**23 * np.sign(WEIGHT)
    assert weight["n_made_zero"] == np.count_nonzero((WEIGHT != 0) & (back == 0))
    assert weight["max_abs_error"] == pytest.approx(np.abs(back - WEIGHT).max(), rel=1e-8)
    assert weight["lossy"]
    bits = tables["bits"].query("name == 'weight' and stage == 'f32'").set_index("bit")["n_ones"]
    plain = [sum(int(value) >> bit & 1 for value in WEIGHT.view("<u4").flat) for bit in range(32)]
    assert bits.sort_index().tolist() == plain
    assert tables["errors"].groupby("name")["count"].sum().to_dict() == {"weight": 2000, "bias": 400}


def test_committed_tables_have_the_columns_that_are_written_today(tables: dict[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        committed = pd.read_csv(PROJECT / "results" / "elf" / f"{name}.csv")
        assert list(committed.columns) == list(table.columns)


def test_the_figures_draw(tables: dict[str, pd.DataFrame]) -> None:
    names = ["weight", "bias"]
    for draw, table in ((bit_fields, "bits"), (error_distribution, "errors"), (size_by_error, "bounds")):
        assert draw(tables[table], names)._repr_png_().startswith(b"\x89PNG")


def test_a_tensor_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    source = written("model.npz", tmp_path)
    for tensor in ("nothing", "step"):
        with pytest.raises(ElfError, match=f"has no f32 tensor '{tensor}'"):
            main([str(tmp_path), f"x={source}:{tensor}"])
