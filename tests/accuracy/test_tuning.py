"""Tuning finds the loosest bound on one half of the items, and lets the other half judge it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

from analysis.accuracy.base import Answers, Metric, Point, Task
from analysis.accuracy.tune import _halves, told, tune
from analysis.accuracy.weights import weights
from elf.errors import ElfError

LIMIT = 2.0**-9
"""Items are wrong where the weight moved by more than this."""


def answer(path: Path, original: Path, _: object) -> Answers:
    apart = np.abs(weights(path)["layer.weight"] - weights(original)["layer.weight"]).reshape(-1)
    return Answers([Point("right", str(number), float(one <= LIMIT)) for number, one in enumerate(apart)])


def task(metric: Metric, answers: object = answer) -> Task:
    return Task("toy", 1, "toy", (("*", "*"),), (metric,), answers)  # type: ignore[arg-type]


ITEMS = [str(number) for number in range(1000)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    values = np.random.default_rng(0).normal(0, 0.1, (40, 50)).astype(np.float32)
    safetensors.numpy.save_file({"layer.weight": values}, path)
    return path


def test_the_loosest_bound_is_found_and_holds_on_the_other_half(model: Path) -> None:
    toy = task(Metric("right", 0.01))
    tried = list(tune(toy, model, []))
    assert tried[-1].exponent == 9
    assert all(not one.holds(toy.metrics, one.chosen_on) for one in tried[:-1])
    assert tried[-1].holds(toy.metrics, tried[-1].reported_on)
    assert tried[-1].chosen_on["right"].n == tried[-1].reported_on["right"].n == 1000


def test_a_bound_that_is_chosen_on_one_half_is_judged_by_the_other(model: Path) -> None:
    def unlucky(path: Path, original: Path, _: object) -> Answers:
        """Right on every item of the half that chooses, wrong on the others as soon as anything moves."""
        moved = not np.array_equal(*(weights(one)["layer.weight"] for one in (path, original)))
        first, _second = _halves(pd.DataFrame({"item": ITEMS, "other": ""}))
        return Answers([Point("right", item, float(not moved or item in first)) for item in ITEMS])

    toy = task(Metric("right", 0.01), unlucky)
    [only] = tune(toy, model, [])
    assert only.holds(toy.metrics, only.chosen_on)
    assert not only.holds(toy.metrics, only.reported_on)
    assert only.reported_on["right"].difference == -1


def test_a_margin_that_the_items_cannot_show_is_never_met(model: Path) -> None:
    toy = task(Metric("right", 0.001))
    tried = list(tune(toy, model, []))
    assert tried[-1].exponent == 24
    assert not tried[-1].holds(toy.metrics, tried[-1].chosen_on)
    assert "not shown 0.001" in told(toy, tried)[-1]


def test_a_task_without_items_is_an_error_and_no_success(model: Path) -> None:
    with pytest.raises(ElfError, match="decides nothing"):
        list(tune(task(Metric("right", 0.01), lambda *_: Answers()), model, []))
