"""Tables agree byte for byte, or within the tolerance that their columns state and no further."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.agreement import Agreement, agreement
from analysis.places import Places
from analysis.tables import TABLES, frame, write_atomically, write_table
from analysis.tables.accuracy import ACCURACY

ROW = {
    "task": "g2p", "model": "m", "file": "f", "codec": "elf", "error_bound": 2.0**-24, "metric": "word_accuracy",
    "value": 0.69, "difference": 0.0, "low": -0.0015, "high": 0.0015, "n_params": 10, "bytes_out": 20,
    "n_eligible": 10, "bytes_in": 40, "bytes_eligible": 15, "n": 2000, "n_decisions": 2000, "n_flips": 3,
    "max_drift": 1e-4, "mean_drift": 1e-6, "margin": 0.01, "equivalent": True, "smallest_detectable": 0.0015,
    "more_is_better": True, "method_version": 1,
}  # fmt: skip


def compared(folder: Path, *fresh: dict[str, object]) -> Agreement:
    places = Places(folder / "cache", folder)
    write_atomically(places.study("mine") / "published.json", b"{}")
    for where, rows in ((places.study("mine"), [ROW]), (places.tables("mine"), list(fresh))):
        for table in TABLES.values():
            write_table(where, table, frame(table, rows if table is ACCURACY else []))  # type: ignore[arg-type]
    found = agreement(places, "mine")
    assert found is not None
    return found


def test_the_same_rows_are_identical(tmp_path: Path) -> None:
    found = compared(tmp_path, ROW)
    assert len(found.identical) == len(TABLES)
    assert "tolerance" not in str(found)


def test_what_another_processor_may_do_is_within_the_tolerance_and_is_said(tmp_path: Path) -> None:
    found = compared(tmp_path, ROW | {"value": 0.6895, "n_flips": 4, "max_drift": 1.2e-4, "equivalent": False})
    assert not found.differing
    assert found.close == ["accuracy.csv"]
    assert "within their tolerance: accuracy.csv" in str(found)


@pytest.mark.parametrize(
    "change",
    [{"value": 0.6}, {"value": None}, {"bytes_out": 21}, {"n": 1999}, {"n_flips": 30}, {"max_drift": 1e-3},
     {"equivalent": None}, {"codec": "elves"}, {"margin": 0.02}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_whatever_goes_further_differs_and_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    found = compared(tmp_path, ROW | change)
    assert list(found.differing) == ["accuracy.csv"]
    assert next(iter(change)) in found.differing["accuracy.csv"]


def test_a_row_more_differs(tmp_path: Path) -> None:
    found = compared(tmp_path, ROW, ROW | {"file": "g"})
    assert "2 rows" in found.differing["accuracy.csv"]


def test_tables_without_a_tolerance_have_none(tmp_path: Path) -> None:
    assert compared(tmp_path, ROW).close == []
    exact = [table for table in TABLES.values() if not any(column.tolerance for column in table.columns)]
    assert pd.Series([table.name for table in exact]).isin(["models", "layers", "hash_dedup", "parameters"]).any()
