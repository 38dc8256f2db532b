"""Accuracy: every restored model beside its original, with what the difference may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from analysis.accuracy import TASKS
from analysis.accuracy.base import Metric, Task
from analysis.accuracy.compared import compared
from analysis.accuracy.statistics import Compared
from analysis.measures.accuracy import PREFIX, VERSION
from analysis.shard_index import ShardIndex
from analysis.tables import frame
from analysis.tables.accuracy import ACCURACY

Frames = dict[str, pd.DataFrame]


def tables(index: ShardIndex, _: Frames) -> Frames:
    """The table `accuracy`."""
    rows = [row for task in TASKS.values() for row in _rows(index, task)]
    return {"accuracy": frame(ACCURACY, rows)}


@dataclass(frozen=True)
class Shard:
    """What one model file restored from one method answered."""

    coded: dict[str, Any]
    points: pd.DataFrame
    decisions: pd.DataFrame
    drift: dict[str, Any] | None


def _rows(index: ShardIndex, task: Task) -> Iterator[dict[str, object]]:
    """Rows of all files of a task; those without an answer of the original have none."""
    by_file: dict[tuple[str, str], list[Path]] = {}
    for group, folder in index.groups(PREFIX + task.name):
        if "coded" in index.tables(folder):
            by_file.setdefault(group.files[0], []).append(folder)
    for (model, file), folders in by_file.items():
        shards = [_read(folder) for folder in folders]
        original = next((one for one in shards if one.coded["codec"] == "original"), None)
        for one in shards if original is not None else []:
            for metric in task.metrics:
                yield {"task": task.name, "model": model, "file": file, **_row(task, metric, one, original)}


def _read(folder: Path) -> Shard:
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in ("coded", "points", "decisions")}
    drift = folder / "drift.parquet"
    return Shard(
        tables["coded"].to_pylist()[0],
        tables["points"].to_pandas(),
        tables["decisions"].to_pandas(),
        pq.read_table(drift).to_pylist()[0] if drift.exists() else None,
    )


def _row(task: Task, metric: Metric, one: Shard, original: Shard | None) -> dict[str, object]:
    assert original is not None
    found = compared(metric, original.points, one.points)
    return {
        "metric": metric.name,
        **one.coded,
        **_numbers(found, paired=one is not original),
        **(_drift(original.decisions, one.decisions) if one.drift is None else _named(one.drift)),
        "margin": metric.margin,
        "equivalent": found.within(metric.margin) if found and metric.margin and one is not original else None,
        "more_is_better": metric.more_is_better,
        "method_version": VERSION + task.version - 1,
    }


def _numbers(found: Compared | None, *, paired: bool) -> dict[str, object]:
    """The original has no interval: there is nothing to be found out about it."""
    values = {} if found is None else {name: getattr(found, name) for name in ("value", "difference", "n")}
    tested = ("low", "high", "smallest_detectable")
    values |= {name: getattr(found, name) if found and paired else None for name in tested}
    return {"value": None, "difference": None, "n": 0} | values


def _drift(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, object]:
    apart = (after["score"] - before["score"]).abs()
    flips = int((after["answer"] != before["answer"]).sum())
    return {
        "n_decisions": len(after),
        "n_flips": flips,
        "max_drift": float(apart.max()) if len(after) else 0.0,
        "mean_drift": float(apart.mean()) if len(after) else 0.0,
    }


def _named(drift: dict[str, Any]) -> dict[str, object]:
    return {"n_decisions": drift["n"], **{name: drift[name] for name in ("n_flips", "max_drift", "mean_drift")}}
