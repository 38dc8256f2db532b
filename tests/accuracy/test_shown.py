"""What is shown of accuracy follows from the table, and a study without it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_agreement import ROW

from analysis.claims.accuracy import elves_accuracy
from analysis.figures.accuracy import FIGURES
from analysis.results import Results
from analysis.tables import TABLES, frame
from analysis.tables.accuracy import ACCURACY
from analysis.views.accuracy import labelled, loosest, shown


def results(*rows: dict[str, object]) -> Results:
    tables = {name: frame(table, []) for name, table in TABLES.items()}
    return Results("mine", Path(), tables | {"accuracy": frame(ACCURACY, [ROW | row for row in rows])})


ORIGINAL = {"codec": "original", "error_bound": None, "equivalent": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({}, "equivalent"),
        ({"low": -0.05, "high": -0.02, "equivalent": False}, "worse"),
        ({"low": 0.02, "high": 0.05, "equivalent": False}, "better"),
        ({"low": -0.05, "high": 0.02, "equivalent": False}, "not shown"),
        ({"low": 0.02, "high": 0.05, "equivalent": False, "more_is_better": False}, "worse"),
        ({"low": -0.005, "high": -0.001, "equivalent": True}, "equivalent"),
        (ORIGINAL, ""),
    ],
)
def test_a_verdict_is_what_the_interval_and_the_margin_say(row: dict[str, object], verdict: str) -> None:
    assert shown(results(row))["verdict"].tolist() == [verdict]


def test_methods_carry_their_bound_and_bits_count_the_whole_file() -> None:
    data = shown(results({}, {"codec": "bf16", "error_bound": None}))
    assert sorted(data["method"]) == ["bf16", "elf 2^-24"]
    assert set(data["bits"]) == {16.0}
    assert set(data["ratio"]) == {2.0}


def test_the_loosest_bound_is_the_last_before_the_first_that_is_not_equivalent() -> None:
    bounds = {24: True, 16: True, 12: False, 8: True}
    found = loosest(results(*({"error_bound": 2.0**-n, "equivalent": equivalent} for n, equivalent in bounds.items())))
    assert found["error_bound"].tolist() == [2.0**-16]
    assert loosest(results({"equivalent": False})).empty


def test_a_study_without_accuracy_says_so() -> None:
    empty = results()
    assert labelled(empty).empty
    assert loosest(empty).empty
    assert elves_accuracy(empty) == ("nothing was measured", "")
    assert all(draw(empty)[1].empty for draw in FIGURES.values())


def test_the_claim_tells_metrics_with_labels_from_flips_without() -> None:
    said, _ = elves_accuracy(
        results(
            {"codec": "elves"},
            {"codec": "elves", "metric": "phoneme_error_rate", "equivalent": False, "difference": 0.02,
             "more_is_better": False},
            {"codec": "elves", "task": "outputs", "metric": "same_decisions", "n_flips": 2, "n_decisions": 100},
        )
    )  # fmt: skip
    assert said.startswith("within the margin on 1 of 2 metrics with labels, at most 0.02 worse (a loss of 0.0015 ")
    assert said.endswith("2 of 100 decisions of 1 ONNX files flip")


def test_every_figure_draws_one_model_and_many() -> None:
    rows = [{"model": f"model {n}", **row} for n in range(5) for row in ({}, ORIGINAL, {"task": "outputs"})]
    for some in (rows[:3], rows):
        for draw in FIGURES.values():
            assert len(draw(results(*some))[1])
