"""Tables keep what they are given, in one order, and are what their specification says."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis import dictionary
from analysis.tables import TABLES, Table, frame, read_table, write_table
from analysis.tables.dedup import HASH_DEDUP
from analysis.tables.inventory import FAILURES, LAYERS, MODELS
from elf.errors import ElfError

SAMPLE = {"text": 'a,b "quoted"\nünïcode', "count": 2**62, "bytes": 7, "number": 0.1234567891234, "yes/no": True}


def sample(table: Table, **given: object) -> dict[str, object]:
    return {column.name: SAMPLE[column.kind] for column in table.columns} | given


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_reads_back_as_it_was_written(table: Table, tmp_path: Path) -> None:
    rows = frame(table, [sample(table)])
    write_table(tmp_path, table, rows)
    pd.testing.assert_frame_equal(read_table(tmp_path, table), rows, rtol=1e-8)


def test_rows_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [sample(MODELS, model=name, bytes=size) for name, size in (("b", 1), ("a", 2), ("c", 3))]
    for folder, order in (("one", rows), ("two", rows[::-1])):
        write_table(tmp_path / folder, MODELS, frame(MODELS, order))
    assert (tmp_path / "one/models.csv").read_bytes() == (tmp_path / "two/models.csv").read_bytes()


def test_what_does_not_apply_stays_empty_and_integers_stay_integers(tmp_path: Path) -> None:
    write_table(tmp_path, LAYERS, frame(LAYERS, [sample(LAYERS, offset=None, n_distinct=None, layer="", alias_of="")]))
    back = read_table(tmp_path, LAYERS)
    assert back["offset"].isna().all()
    assert back.at[0, "n_params"] == 2**62
    assert back.at[0, "layer"] == ""


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    write_table(tmp_path, FAILURES, frame(FAILURES, []))
    assert (tmp_path / "failures.csv").read_text() == "family,model,file,step,error,reason\n"
    assert len(read_table(tmp_path, FAILURES)) == 0


def test_a_layer_called_na_is_not_a_missing_value(tmp_path: Path) -> None:
    write_table(tmp_path, MODELS, frame(MODELS, [sample(MODELS, task="NA", model="null")]))
    assert read_table(tmp_path, MODELS).at[0, "task"] == "NA"


def test_two_rows_with_one_key_are_refused() -> None:
    with pytest.raises(ElfError, match=r"models\.csv: two rows have the key"):
        frame(MODELS, [sample(MODELS), sample(MODELS)])


def test_a_row_with_other_columns_is_refused() -> None:
    with pytest.raises(ElfError, match=r"hash_dedup\.csv: a row has columns"):
        frame(HASH_DEDUP, [sample(HASH_DEDUP) | {"ratio": 1.0}])


def test_a_missing_table_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ElfError, match="run the study first"):
        read_table(tmp_path, MODELS)


def test_no_table_holds_a_ratio_or_a_timing() -> None:
    names = {column.name for table in TABLES.values() for column in table.columns}
    assert not {name for name in names if "ratio" in name or "second" in name or name.startswith("time")}


def test_the_data_dictionary_is_the_specification() -> None:
    assert dictionary.PATH.read_text(encoding="utf-8") == dictionary.dictionary(), "run: make generated"
