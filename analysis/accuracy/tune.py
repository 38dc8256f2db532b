"""The loosest bound that a model bears: found on one half of a task's items, reported on the other.

Bounds are tried from the loosest on, each by really coding the file, until every metric is shown to be within its
margin on the first half. The second half has had no say in the choice, and says whether it holds.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.accuracy.base import Answers, Metric, Task
from analysis.accuracy.coded import Method, Sizes, coded
from analysis.accuracy.compared import compared
from analysis.accuracy.statistics import Compared
from elf.errors import ElfError
from elf.formats import open_model

EXPONENTS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 22, 24)
SEED = 0


@dataclass(frozen=True)
class Tried:
    """One bound: the file's sizes, and each metric on the half that chooses and on the half that reports."""

    exponent: int
    sizes: Sizes
    chosen_on: dict[str, Compared]
    reported_on: dict[str, Compared]

    def holds(self, metrics: Sequence[Metric], on: dict[str, Compared]) -> bool:
        """Whether every metric is within its margin."""
        return all(on[metric.name].within(metric.margin) for metric in metrics)


def tune(task: Task, model: Path, data: Sequence[Path]) -> Iterator[Tried]:
    """Every bound that is tried, the loosest first; the last one holds, or none does.

    `data` are the task's data files in its order. Raises ElfError when the model cannot be coded or run.
    """
    names = [name for entry in task.data for name in entry.weights]
    with ExitStack() as stack:
        opened = [stack.enter_context(open_model(path)) for path in data]
        given = dict(zip(names, (file.part(0) for file in opened), strict=True))
        before = _points(task.answer(model, model, given))
        halves = _halves(before)
        for exponent in EXPONENTS:
            with tempfile.TemporaryDirectory() as folder, open_model(model) as file:
                path, sizes = coded(file, Method("elf", 2.0**-exponent), Path(folder))
                after = _points(task.answer(path, model, given))
            tried = Tried(exponent, sizes, *(_compared(task, before, after, half) for half in halves))
            yield tried
            if tried.holds(task.metrics, tried.chosen_on):
                return


def _points(answers: Answers) -> pd.DataFrame:
    if not answers.points:
        raise ElfError("the model decides nothing in this task: there is no metric to keep")
    return pd.DataFrame([vars(point) for point in answers.points])


def _halves(points: pd.DataFrame) -> tuple[set[str], set[str]]:
    """Items, and for pairs their documents, cut in two at random, the same way every time."""
    items = sorted({*points["item"], *points["other"]} - {""})
    random.Random(SEED).shuffle(items)
    return set(items[: len(items) // 2]), set(items[len(items) // 2 :])


def _compared(task: Task, before: pd.DataFrame, after: pd.DataFrame, half: set[str]) -> dict[str, Compared]:
    """Each metric over the items of one half; pairs count when both of their documents are in it."""
    inside = before["item"].isin(half) & (before["other"].isin(half) | (before["other"] == ""))
    found = {metric.name: compared(metric, before[inside], after[inside]) for metric in task.metrics}
    if lacking := [name for name, one in found.items() if one is None]:
        raise ElfError(f"too few items to cut in two for {lacking[0]}")
    return {name: one for name, one in found.items() if one is not None}


def told(task: Task, tried: Sequence[Tried]) -> list[list[str]]:
    """What was tried as rows of text: bound, bits a parameter, metric, half, value, difference, interval, whether it
    is within the margin.
    """
    rows = []
    for one in tried:
        bits = f"{8 * one.sizes.bytes_out / one.sizes.n_params:.2f}"
        last = one is tried[-1]
        for half, found in (("choosing", one.chosen_on), *((("reporting", one.reported_on),) if last else ())):
            for metric in task.metrics:
                got = found[metric.name]
                span = f"[{got.low:+.4f}, {got.high:+.4f}]"
                verdict = "within" if got.within(metric.margin) else "not shown"
                bound = f"2^-{one.exponent}"
                row = [bound, bits, metric.name, half, f"{got.value:.4f}", f"{got.difference:+.4f}", span]
                rows.append([*row, f"{verdict} {metric.margin or 0:g}"])
    return rows


COLUMNS = ["bound", "bits", "metric", "half", "value", "difference", "95 % interval", "margin"]
