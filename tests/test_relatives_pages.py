"""Views and figures of relatives stand on the tables alone, and say so when there is nothing to show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from measured_files import study

from analysis.aggregate import build
from analysis.figures import draw, rendered
from analysis.figures.relatives import FIGURES
from analysis.measures import MEASURES
from analysis.results import Results
from analysis.tables import TABLES, read_table, write_table
from analysis.views import relatives as views

RNG = np.random.default_rng(20261126)
W = RNG.normal(0, 0.05, (100, 90)).astype(np.float32)
NEAR = W + RNG.normal(0, 1e-5, W.shape).astype(np.float32)
FAR = RNG.normal(0, 0.05, W.shape).astype(np.float32)
MODELS = {
    "a==1": {"x/w.safetensors": {"w": W}, "y/w.safetensors": {"w": FAR}},
    "a==2": {"x/w.safetensors": {"w": NEAR}, "t.safetensors": {"w": np.ascontiguousarray(W.T)}},
    "b==1": {"v.safetensors": {"w": FAR + 1}},
}
OURS = ["hash_dedup", "twin_keys", "chunk_features", "tensor_codes", "relatives", "deltas", "twins", "resemblance"]


def results(folder: Path, measures: list[str]) -> Results:
    """The tables as they are read back from their files."""
    tables = build(study(folder, MODELS, measures))
    for name, data in tables.items():
        write_table(folder / "tables", TABLES[name], data)
    return Results("small", folder, {name: read_table(folder / "tables", TABLES[name]) for name in tables})


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return results(tmp_path_factory.mktemp("pages"), OURS)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return results(tmp_path_factory.mktemp("empty"), ["hash_dedup"])


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_shows_data_and_is_the_same_twice(name: str, measured: Results) -> None:
    first, second = draw(name, measured), draw(name, measured)
    assert len(first.data) > 0
    assert first.caption.endswith(".")
    assert rendered(first.figure, "svg") == rendered(second.figure, "svg")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_nothing_says_so(name: str, empty: Results) -> None:
    drawn = draw(name, empty)
    assert len(drawn.data) == 0
    assert drawn.figure.texts


def test_every_measure_here_is_registered() -> None:
    assert set(OURS) <= set(MEASURES)


def test_the_closest_pair_comes_first_and_is_named_by_versions(measured: Results) -> None:
    kin = views.kinship(measured)
    assert kin.loc[0, "pair"] == "x/w.safetensors 1 > x/w.safetensors 2"
    assert kin.loc[0, "cosine"] > 0.99
    assert (kin["pair"] != "").all()
    assert kin["pair"].is_unique


def test_the_best_delta_has_the_highest_ratio(measured: Results) -> None:
    deltas = views.delta_ratios(measured)
    methods = [name for name in views.METHODS if name in deltas and name != "best"]
    assert (deltas["best"] >= deltas[methods].max(axis=1) - 1e-12).all()
    assert deltas.loc[0, "gain"] == deltas["gain"].max() > 0.2


def test_agreement_lies_between_chance_and_always(measured: Results) -> None:
    bits = views.bit_agreement(measured)
    first = bits.iloc[0]
    assert list(bits.columns) == list(range(31, -1, -1))
    assert first[31] > 0.9
    assert abs(first[0]) < 0.1


def test_the_pipeline_adds_up(measured: Results) -> None:
    steps = views.pipeline(measured)
    assert steps["added"].sum() == pytest.approx(steps["saving"].iloc[-1])
    assert len(views.pipeline(measured, "without_family")) == 7 * 3


def test_twins_are_counted_by_kind(measured: Results) -> None:
    kinds = views.twin_kinds(measured)
    assert kinds.to_dict("records") == [
        {"kind": "transposition", "n_twins": 1, "bytes": W.nbytes, "bytes_saved": W.nbytes}
    ]


def test_deltas_add_to_dedup_and_zstd(measured: Results) -> None:
    rows = views.resemblance(measured)
    assert (rows.loc[rows["method"] == "none", "added"] == 0).all()


@pytest.mark.parametrize("view", [views.kinship, views.delta_ratios, views.bit_agreement])
def test_views_of_nothing_are_empty(view: object, empty: Results) -> None:
    found = view(empty)  # type: ignore[operator]
    assert isinstance(found, pd.DataFrame)
    assert found.empty
