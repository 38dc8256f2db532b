"""Tuning a model of a study: finding its file and the task's data, and telling what came out."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from analysis.accuracy import TASKS
from analysis.accuracy.base import Task
from analysis.accuracy.tune import COLUMNS, EXPONENTS, Tried, told, tune
from analysis.config import Study
from analysis.errors import UsageError
from analysis.progress import say
from analysis.sources import pull_one
from analysis.text import table


@dataclass(frozen=True)
class Tuned:
    """What was tried; the last one is what was found."""

    model: str
    task: Task
    tried: list[Tried]

    @property
    def holds(self) -> bool:
        """Whether the bound that was chosen holds on the half that reports."""
        return self._chosen and self.tried[-1].holds(self.task.metrics, self.tried[-1].reported_on)

    @property
    def _chosen(self) -> bool:
        return self.tried[-1].holds(self.task.metrics, self.tried[-1].chosen_on)

    def __str__(self) -> str:
        last = self.tried[-1]
        bound = f"2^-{last.exponent}"
        if not self._chosen:
            said = f"no bound down to {bound} is shown to be within the margin on the first half"
        elif self.holds:
            said = f"{bound} is the loosest bound within the margin on the first half, and holds on the second"
        else:
            said = f"{bound} is the loosest bound within the margin on the first half; the second does not confirm it"
        ratio = last.sizes.bytes_in / last.sizes.bytes_out
        how = f"elves compress --bound {bound} --lossy '*' FILE" if self.holds else "nothing to recommend"
        return f"{table(COLUMNS, told(self.task, self.tried))}\n\n{self.model}: {said} (ratio {ratio:.2f}): {how}"


def tuned(study: Study, model: str, task: str, cache: Path) -> Tuned:
    """Pull what is needed and tune. Raises UsageError for a model or a task that is not there, ElfError otherwise."""
    if task not in TASKS:
        raise UsageError(f"{task!r} is no accuracy task; there are: {', '.join(TASKS)}")
    entries = {entry.label: entry for family in study.families for entry in family.models}
    if model not in entries:
        raise UsageError(f"{model!r} is no model of {study.name}; there are: {', '.join(entries)}")
    chosen = TASKS[task]
    if any(metric.margin is None for metric in chosen.metrics):
        raise UsageError(f"the task {task} states no margin to keep")
    pulled = pull_one(entries[model], cache=cache)
    files = [file.path for file in pulled.files if chosen.takes(pulled.source, file.name)]
    if not files:
        raise UsageError(f"the task {task} is not for {model}")
    paths = [
        {file.name: file.path for file in found.files}[name]
        for entry in chosen.data
        for found in [pull_one(entry, cache=cache)]
        for name in entry.weights
    ]
    say(f"tuning {model}: up to {len(EXPONENTS)} bounds, the loosest first")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return Tuned(model, chosen, pool.submit(_tried, task, files[0], paths).result())


def _tried(task: str, model: Path, data: list[Path]) -> list[Tried]:
    """In a process of its own, whose NumPy is loaded with one thread, as in the workers of a run."""
    return list(tune(TASKS[task], model, data))
