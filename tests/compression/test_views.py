"""Stores of one method hold whole files, whatever the method takes; ratios come from bytes alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.claims.compression import dictionary_ratio
from analysis.figures import compression as figures
from analysis.figures import draw
from analysis.results import Results
from analysis.tables import TABLES, frame
from analysis.views import compression as views

ROWS = [
    # granularity, codec, params, dtype, bytes in, bytes out
    ("file", "zstd", "level=3", "", 1000, 900),
    ("layer", "zstd", "level=3", "f32", 800, 700),
    ("layer", "zstd", "level=3", "i64", 100, 20),
    ("rest", "zstd", "level=3", "", 100, 40),
    ("layer", "split", "", "f32", 800, 600),
    ("layer", "lmzip", "level=1", "f32", 500, 300),
    ("rest", "lmzip", "level=1", "", 100, 30),
]


def results(rows: list[tuple[str, str, str, str, int, int]]) -> Results:
    tables = {name: frame(table, []) for name, table in TABLES.items()}
    named = [
        dict(zip(("granularity", "codec", "params", "dtype", "bytes_in", "bytes_out"), row, strict=True))
        for row in rows
    ]
    common = {"family": "f", "model": "m", "transform": "none", "method_version": 1, "n_units": 1, "n_kept": 0}
    tables["compression"] = frame(TABLES["compression"], [{**row, **common} for row in named])
    model = {"family": "f", "model": "m", "derived": False, "n_files": 1, "bytes": 1000, "bytes_tensors": 900}
    columns = {column.name: None for column in TABLES["models"].columns}
    tables["models"] = frame(TABLES["models"], [{**columns, **model, "source": "", "revision": "", "task": ""}])
    return Results("s", Path(), tables)


def store(found: pd.DataFrame, granularity: str, codec: str) -> tuple[int, int, int]:
    [row] = found[(found["granularity"] == granularity) & (found["codec"] == codec)].itertuples()
    return int(row.bytes_in), int(row.bytes_out), int(row.bytes_own)


def test_what_a_method_does_not_take_is_left_to_zstd_3() -> None:
    found = views.stores(results(ROWS))
    assert store(found, "file", "zstd") == (1000, 900, 1000)
    assert store(found, "layer", "zstd") == (1000, 700 + 20 + 40, 1000)
    assert store(found, "layer", "split") == (1000, 600 + 20 + 40, 800)


def test_what_a_method_failed_on_is_kept_as_it_is() -> None:
    assert store(views.stores(results(ROWS)), "layer", "lmzip") == (1000, 300 + 300 + 20 + 30, 600)


def test_without_zstd_3_the_rest_is_kept_as_it_is() -> None:
    assert store(views.stores(results(ROWS[4:5])), "layer", "split") == (1000, 600 + 200, 800)


def test_overall_is_weighted_by_bytes() -> None:
    found = views.overall(views.stores(results(ROWS)))
    assert found.loc[found["method"] == "split", "ratio"].tolist() == [pytest.approx(1000 / 660)]
    assert found["ratio"].is_monotonic_decreasing


def test_the_claim_names_files_floats_and_types() -> None:
    ours, note = dictionary_ratio(results(ROWS))
    assert ours == "zstd 3 1.111x over whole files (median model 1.111x), knowing floats 1.538x (lmzip 1)"
    assert "f32 1.143x, 1.333x" in note
    assert dictionary_ratio(results([]))[0] == "nothing was measured"


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_study_without_rows_gets_figures_that_say_so(name: str) -> None:
    assert draw(name, results([])).data.empty


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (("none", "zstd", "level=3"), "zstd 3"),
        (("none", "split", ""), "split"),
        (("byte_planes", "lz4", "level=0"), "byte planes + lz4 0"),
        (("none", "blosc2", "level=1 filter=1"), "blosc2 level=1 filter=1"),
    ],
)
def test_methods_have_short_names(given: tuple[str, str, str], shown: str) -> None:
    assert views.label(*given) == shown


@pytest.mark.parametrize(
    ("granularity", "shown"),
    [("file", "file"), ("chunk-4096", "chunk 4 KiB"), ("chunk-1048576", "chunk 1 MiB"), ("chunk-xet", "chunk xet")],
)
def test_chunk_sizes_are_shown_in_their_units(granularity: str, shown: str) -> None:
    assert views.unit(granularity) == shown
