"""What a run of a study would do, before anything is pulled or measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from analysis.config import DeriveEntry, Family, HubCacheEntry, HubEntry, ModelEntry, PathEntry, PypiEntry, Study
from analysis.places import Places
from analysis.run import plan
from analysis.sources import Model, Pulled, SourceError, hub, pypi
from analysis.sources.base import Context
from analysis.sources.lock import Lock
from analysis.sources.pull import SOURCES
from analysis.sources.sums import Sums
from analysis.text import seconds, size, table

MEASURE_BYTES_PER_SECOND = 60e6
"""What one worker measures, processes and shards included: the default study on the machine that the README names."""
SHARD_SHARE = 0.3
"""Disk that shards take, as a share of the models' bytes."""


@dataclass(frozen=True)
class Expected:
    """One model entry: what of it is here, what is to come; `bytes` is None where only pulling will tell."""

    family: str
    model: str
    state: str
    files: int | None
    bytes: int | None
    units: int
    units_done: int


@dataclass(frozen=True)
class Forecast:
    """All entries of a study."""

    study: str
    entries: list[Expected]

    @property
    def bytes_to_measure(self) -> float:
        """Bytes of what has no shard yet."""
        return sum((entry.bytes or 0) * _left(entry) for entry in self.entries)

    def json(self) -> str:
        """The same for a script."""
        facts = {"study": self.study, "seconds": self.seconds, "disk_bytes": self.disk_bytes}
        return json.dumps(facts | {"models": [asdict(entry) for entry in self.entries]}, indent=1)

    @property
    def seconds(self) -> float:
        """Estimated seconds of measuring with one worker."""
        return self.bytes_to_measure / MEASURE_BYTES_PER_SECOND

    @property
    def disk_bytes(self) -> float:
        """Estimated bytes of disk that pulling and measuring still take."""
        coming = sum(entry.bytes or 0 for entry in self.entries if entry.state == "to download")
        return coming + SHARD_SHARE * self.bytes_to_measure

    def __str__(self) -> str:
        rows = [
            (
                e.family,
                e.model,
                e.state,
                "?" if e.files is None else e.files,
                _size(e.bytes),
                f"{e.units_done}/{e.units}",
            )
            for e in self.entries
        ]
        known = sum(entry.bytes or 0 for entry in self.entries)
        unknown = sum(entry.bytes is None for entry in self.entries)
        total = f"{len(self.entries)} models, {size(known)}" + (f" and {unknown} of unknown size" if unknown else "")
        shown = table(["family", "model", "state", "files", "bytes", "units done"], rows)
        left = f"about {seconds(self.seconds)} of measuring with one worker, {size(self.disk_bytes)} of disk"
        return f"{shown}\n\n{self.study}: {total}; still to do: {left}"


def _left(entry: Expected) -> float:
    return 1 - entry.units_done / entry.units if entry.units else 1.0


def _size(value: int | None) -> str:
    return "?" if value is None else size(value)


def forecast(study: Study, places: Places) -> Forecast:
    """Look at what is here, and ask the Hub how large the rest is."""
    context = Context(places.cache, Sums(places.cache / "verified.json"), Lock(study.path, places.cache))
    entries = [
        found
        for family in study.families
        for entry in family.models
        for found in _expected(entry, family, study, places, context)
    ]
    return Forecast(study.name, entries)


def _expected(entry: ModelEntry, family: Family, study: Study, places: Places, context: Context) -> Iterator[Expected]:
    here = _here(entry, family, context)
    if here is None:
        state, files, n_bytes = _coming(entry, context)
        yield Expected(family.name, entry.label, state, files, n_bytes, 0, 0)
        return
    for model in here:
        made = plan(study, Pulled((model,), ()), places)
        done = len(made.units) - len(made.missing(places.shards))
        yield Expected(family.name, model.name, "here", len(model.files), model.bytes, len(made.units), done)


def _here(entry: ModelEntry, family: Family, context: Context) -> list[Model] | None:
    """The models that need no pulling; None when there is something to pull."""
    if not _is_here(entry, context):
        return None
    try:
        return SOURCES[type(entry)](entry, family, context).models
    except SourceError:
        return None


def _is_here(entry: ModelEntry, context: Context) -> bool:
    if isinstance(entry, PypiEntry):
        return pypi.present(entry, context)
    if isinstance(entry, HubEntry):
        return hub.present(entry, context)
    return isinstance(entry, PathEntry | HubCacheEntry)


def _coming(entry: ModelEntry, context: Context) -> tuple[str, int | None, int | None]:
    """What is said of an entry that is not here: state, files, bytes."""
    if isinstance(entry, PypiEntry):
        return "to download", None, entry.bytes
    if isinstance(entry, HubEntry):
        return _repository(entry, context)
    return ("to derive" if isinstance(entry, DeriveEntry) else "not there"), None, None


def _repository(entry: HubEntry, context: Context) -> tuple[str, int | None, int | None]:
    try:
        files = hub.expected(entry, context)
    except SourceError as error:
        return str(error), None, None
    return "to download", len(files), sum(file.bytes for file in files)
