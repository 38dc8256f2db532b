"""What a run of a study would do, before anything is pulled or measured."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass

from analysis.config import DeriveEntry, Family, HubCacheEntry, HubEntry, ModelEntry, PathEntry, PypiEntry, Study
from analysis.places import Places
from analysis.progress import bar, say
from analysis.run import plan
from analysis.sources import Model, Pulled, SourceError, derive, hub, pypi
from analysis.sources.base import Context
from analysis.sources.errors import UnreachableError
from analysis.sources.lock import Lock
from analysis.sources.pull import SOURCES
from analysis.sources.sums import Sums
from analysis.text import count, seconds, size, table

SECONDS_PER_GB = {
    "hash_dedup": 17, "compression": 1500, "entropy": 58, "zstd_beyond": 55, "parameters": 26, "composition": 150,
    "similarity": 40, "equal_parameters": 6, "tensor_codes": 14, "twin_keys": 4, "chunk_features": 55, "relatives": 13,
    "deltas": 31, "twins": 0, "resemblance": 20, "elves": 1400, "elves_family": 20,
}  # fmt: skip
"""What one worker takes for a whole measure: the default study on the machine that the README names, see run.json.

Accuracy tasks are not in it: what they take depends on the models that have one, not on bytes.
"""
SHARD_SHARE = 0.7
"""Disk that shards take, as a share of the models' bytes."""


HUB_THREADS = 8
"""Repositories that are asked for at once."""
UNKNOWN = ("?", None, None)


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
    seconds: float = 0.0
    """Of measuring with one worker what has no shard yet; 0 where nothing is known."""


@dataclass(frozen=True)
class Forecast:
    """All entries of a study."""

    study: str
    entries: list[Expected]

    def json(self) -> str:
        """The same for a script."""
        facts = {"study": self.study, "seconds": self.seconds, "disk_bytes": self.disk_bytes}
        return json.dumps(facts | {"models": [asdict(entry) for entry in self.entries]}, indent=1)

    @property
    def seconds(self) -> float:
        """Estimated seconds of measuring with one worker."""
        return sum(entry.seconds for entry in self.entries)

    @property
    def disk_bytes(self) -> float:
        """Estimated bytes of disk that pulling and measuring still take."""
        coming = sum(entry.bytes or 0 for entry in self.entries if entry.state == "to download")
        return coming + SHARD_SHARE * sum((entry.bytes or 0) * _left(entry) for entry in self.entries)

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
        shown = table(["family", "model", "state", "files", "bytes", "units done"], rows)
        return f"{shown}\n\n{self.study}: {self._total()}; still to do: {self._left()}"

    def _total(self) -> str:
        total = f"{count(len(self.entries), 'model')}, {size(sum(entry.bytes or 0 for entry in self.entries))}"
        unknown = sum(entry.bytes is None for entry in self.entries)
        unknowns = count(unknown, "entry", "entries")
        return total + (f", of which {unknowns} unknown: their time and disk not counted" if unknown else "")

    def _left(self) -> str:
        if not self.disk_bytes:
            return "nothing" if all(entry.bytes is not None for entry in self.entries) else "nothing that is known"
        return f"about {seconds(self.seconds)} of measuring with one worker, {size(self.disk_bytes)} of disk"


def _left(entry: Expected) -> float:
    return 1 - entry.units_done / entry.units if entry.units else 1.0


def _size(value: int | None) -> str:
    return "?" if value is None else size(value)


def forecast(study: Study, places: Places) -> Forecast:
    """Look at what is here, and ask the Hub how large the rest is, until it is found to be out of reach."""
    context = Context(places.cache, Sums(places.cache / "verified.json"), Lock(study.path, places.cache))
    wanted = [(entry, family) for family in study.families for entry in family.models]
    here: dict[int, list[Model] | None] = {}
    for last in (False, True):  # derivations last: what they are made from says where they are
        chosen = {i: pair for i, pair in enumerate(wanted) if isinstance(pair[0], DeriveEntry) == last}
        here |= {i: _here(*pair, context) for i, pair in chosen.items()}
        context.models = {model.name: model for models in here.values() for model in models or ()}
    away = [entry for i, (entry, _) in enumerate(wanted) if here[i] is None and isinstance(entry, HubEntry)]
    listed = _ask_the_hub(away, context)
    entries: list[Expected] = []
    for i, (entry, family) in enumerate(wanted):
        models = here[i]
        if models is None:
            entries.append(_expected(entry, family, listed, study))
        else:
            entries += [_measured(model, study, places) for model in models]
    return Forecast(study.name, entries)


Coming = tuple[str, int | None, int | None]
"""What is said of an entry that is not here: state, files, bytes."""


def _expected(entry: ModelEntry, family: Family, listed: dict[str, Coming], study: Study) -> Expected:
    name = entry.label or str(getattr(entry, "hub_cache", ""))
    state, files, size = listed.get(entry.label) or _coming(entry)
    return Expected(family.name, name, state, files, size, 0, 0, (size or 0) * sum(_rates(study).values()))


def _measured(model: Model, study: Study, places: Places) -> Expected:
    """Only the first round of measures is planned here; the second is taken to be as far as the first."""
    made, rates = plan(study, Pulled((model,), ()), places), _rates(study)
    missing = made.missing(places.shards)
    parts = Counter(unit.measure for unit in made.units.values())
    units = sum(rates[unit.measure] * unit.bytes * len(model.files) / parts[unit.measure] for unit in missing)
    together = sum(rate for name, rate in rates.items() if name not in parts) * model.bytes
    n, done = len(made.units), len(made.units) - len(missing)
    seconds = units + together * (1 - done / n if n else 0)
    return Expected(model.family, model.name, "here", len(model.files), model.bytes, n, done, seconds)


def _rates(study: Study) -> dict[str, float]:
    """Seconds a byte of each measure of the study, all its parts together."""
    return {name: SECONDS_PER_GB.get(name, 0.0) / 1e9 for name in study.measures}


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
    if isinstance(entry, DeriveEntry):
        return derive.present(entry, context)
    return isinstance(entry, PathEntry | HubCacheEntry)


def _coming(entry: ModelEntry) -> Coming:
    if isinstance(entry, PypiEntry):
        return "to download", None, entry.bytes
    return ("to derive" if isinstance(entry, DeriveEntry) else "not there"), None, None


def _ask_the_hub(entries: list[HubEntry], context: Context) -> dict[str, Coming]:
    """What each repository holds, by the entry's name; several are asked for at once."""
    asked = _Hub(context)
    asked.reach(entries[:1])
    with bar("ask the Hub", total=len(entries), unit="model") as progress, ThreadPoolExecutor(HUB_THREADS) as pool:
        futures = {pool.submit(asked.coming, entry): entry.label for entry in entries}
        try:
            for _ in as_completed(futures):
                progress.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if asked.silent:
        say(f"{asked.silent}; not asked again: what only the Hub knows is marked ?")
    return {label: future.result() for future, label in futures.items()}


@dataclass
class _Hub:
    """The Hub until it gives no answer at all; `silent` is then the reason, and nothing more is asked."""

    context: Context
    silent: str = ""

    def reach(self, entries: list[HubEntry]) -> None:
        """Find out whether there is any answer: by a call that is not tried again, unlike a listing."""
        from analysis.sources import hub_client

        for entry in entries:
            try:
                hub_client.resolve(entry.hub, entry.revision)
            except UnreachableError as error:
                self.silent = str(error)
            except SourceError:
                pass  # an answer

    def coming(self, entry: HubEntry) -> Coming:
        if self.silent:
            return UNKNOWN
        try:
            files = hub.expected(entry, self.context)
        except UnreachableError as error:
            self.silent = self.silent or str(error)
            return UNKNOWN
        except SourceError as error:
            return str(error), None, None
        return "to download", len(files), sum(file.bytes for file in files)
