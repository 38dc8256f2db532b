"""The steps of a study, one after the other; each reads what the one before it wrote."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from analysis.manifest import Manifest, read_manifest
from analysis.places import Places, usable
from analysis.progress import bar, say
from analysis.provenance import machine, versions
from analysis.tables import write_atomically
from analysis.text import count, seconds, size

if TYPE_CHECKING:
    from tqdm import tqdm

    from analysis.config import Study
    from analysis.sources import Pulled
    from analysis.units import Outcome


MEMORY = "aggregated.json"
"""In the local folder of a study: from what its tables were made."""


@dataclass
class Record:
    """What a run took: seconds by step, peak memory of a worker, and of what was measured now the seconds that workers
    spent on each part of a measure. Goes into run.json, never into a table."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak_worker_bytes: int = 0
    units_measured: int = 0
    units_known: int = 0
    worker_seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 2)

    def count(self, outcomes: list[Outcome], manifest: Manifest) -> None:
        """Take what the workers said of themselves."""
        steps = {key: step for model in manifest.models for file in model.files for step, key in file.shards.items()}
        steps |= {group.shard: group.step for group in manifest.groups}
        self.units_measured = len(outcomes)
        self.peak_worker_bytes = max((outcome.peak_bytes for outcome in outcomes), default=0)
        for outcome in outcomes:
            step = steps.get(outcome.key, "failed")
            self.worker_seconds[step] = round(self.worker_seconds.get(step, 0.0) + outcome.seconds, 2)

    def write(self, folder: Path, study: Study) -> None:
        """Write run.json: versions, machine, seconds, memory."""
        facts = {"study": study.name, "versions": versions(), "machine": machine(), **vars(self)}
        write_atomically(folder / "run.json", (json.dumps(facts, indent=1) + "\n").encode())


def pull_study(study: Study, places: Places, *, jobs: int = 4) -> Pulled:
    """Bring the study's models onto this disk."""
    from analysis.sources import pull, pull_data

    usable(places.cache)
    wanted = sum(len(family.models) for family in study.families)
    with bar("pull", total=wanted, unit="model") as progress:
        pulled = pull(study, cache=places.cache, jobs=jobs, progress=lambda *_: _advance(progress))
        pulled = pull_data(study, pulled, cache=places.cache)
    for note in pulled.notes:
        say(note)
    return pulled


def _advance(progress: tqdm[NoReturn]) -> None:
    progress.update()


@dataclass(frozen=True)
class Finished:
    """A run that came to its end, and how to tell of it in one line."""

    manifest: Manifest
    record: Record
    tables: Path

    def __str__(self) -> str:
        files = [file for model in self.manifest.models for file in model.files]
        held = f"{len(self.manifest.models)} models, {len(files)} files, {size(sum(file.bytes for file in files))}"
        new, known = self.record.units_measured, self.record.units_known
        took = seconds(sum(self.record.seconds.values()))
        units = f"{new} units measured now, {known - new} there already"
        return f"{self.manifest.study}: {held}; {units}; {took}; tables in {self.tables}"


def run_study(study: Study, places: Places, *, jobs: int, dask: str | None = None) -> Finished:
    """Pull, measure what is new, aggregate. What failed is in the manifest's failures."""
    from analysis import run
    from analysis.aggregate import aggregate

    usable(places.study(study.name))
    record, local, tables = Record(), places.local(study.name), places.tables(study.name)
    with record.step("pull"):
        pulled = pull_study(study, places)
    with record.step("measure"):
        made = run.plan(study, pulled, places)
        outcomes = run.measure(made, places, jobs=jobs, dask=dask)
        manifest = run.manifest(study, made, outcomes, places)
    with record.step("measure together"):
        run.plan_groups(study, made, manifest, places)
        outcomes += run.measure(made, places, jobs=jobs, dask=dask)
        manifest = run.manifest(study, made, outcomes, places)
    manifest.write(local)
    with record.step("aggregate"):
        aggregate(manifest, places.shards, tables, local / MEMORY)
    record.units_known = len(made.units)
    record.count(outcomes, manifest)
    if record.units_measured or not (local / "run.json").exists():  # else it tells how the tables came to be
        record.write(local, study)
    return Finished(manifest, record, tables)


def aggregate_study(study: str, places: Places) -> Manifest:
    """Make the tables again from the shards of the last run."""
    from analysis.aggregate import aggregate

    local = places.local(study)
    manifest = read_manifest(local)
    aggregate(manifest, places.shards, places.tables(study), local / MEMORY)
    return manifest


def say_gaps(finished: Finished) -> None:
    """Say which methods failed, or were not installed, while the rest of their files was measured: no failed run."""
    import pandas as pd

    from analysis.tables import TABLES, read_table

    rows = read_table(finished.tables, TABLES["failures"])
    told = {(failure.model, failure.file, failure.step) for failure in finished.manifest.failures}
    known = [key in told for key in zip(rows["model"], rows["file"], rows["step"], strict=True)]
    for (step, reason), files in rows[~pd.Series(known, dtype=bool)].groupby(["step", "reason"]):
        say(f"not measured: {step} in {count(len(files), 'file')}: {reason}")


def failed(manifest: Manifest) -> bool:
    """Say what could not be measured, if anything."""
    for failure in manifest.failures:
        where = "/".join(part for part in (failure.model, failure.file) if part)
        say(f"not measured: {where} ({failure.step}): {failure.reason}")
    return bool(manifest.failures)
