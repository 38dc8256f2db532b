"""Pull a study: every entry through its source, several at once; one that fails never stops the rest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.config import DeriveEntry, Family, HubCacheEntry, HubEntry, ModelEntry, PathEntry, PypiEntry, Study
from analysis.config.entries import Entry
from analysis.sources.base import Context, Found, Model, Source, SourceFailure, describe
from analysis.sources.derive import pull_derive
from analysis.sources.errors import SourceError
from analysis.sources.folders import sweep_partials
from analysis.sources.hub import pull_hub
from analysis.sources.hub_cache import pull_hub_cache
from analysis.sources.local import pull_path
from analysis.sources.lock import Lock
from analysis.sources.pypi import pull_pypi
from analysis.sources.sums import Sums
from elf.errors import ElfError

SOURCES: dict[type[Entry], Source] = {
    PypiEntry: pull_pypi,
    HubEntry: pull_hub,
    PathEntry: pull_path,
    HubCacheEntry: pull_hub_cache,
    DeriveEntry: pull_derive,
}
"""The source of each kind of entry."""

Progress = Callable[[int, int, str], None]
"""Told after each entry: entries done, entries in all, the entry's name."""


@dataclass(frozen=True)
class Pulled:
    """A study's models in the order of its families, what could not be had, and notes for the user."""

    models: tuple[Model, ...]
    failures: tuple[SourceFailure, ...]
    notes: tuple[str, ...] = ()
    data: tuple[Model, ...] = ()
    """What measures need beside models, for instance labels: pulled and verified alike, in no table."""


def pull(study: Study, *, cache: Path, jobs: int = 4, progress: Progress | None = None) -> Pulled:
    """Bring every model of a study onto this disk and verify it. What is there already needs no network.

    Raises OSError only when the cache folder itself cannot be written to.
    """
    sweep_partials(cache)
    context = Context(cache, Sums(cache / "verified.json"), Lock(study.path, cache))
    wanted = [(entry, family) for family in study.families for entry in family.models]
    told = _Told(len(wanted), progress)
    results: dict[int, Found] = {}
    for last in (False, True):  # derivations last: they start from models that are there
        chosen = {index: pair for index, pair in enumerate(wanted) if isinstance(pair[0], DeriveEntry) == last}
        results |= _all(chosen, context, jobs, told)
        context.models = {model.name: model for found in results.values() for model in found.models}
    context.sums.save()
    found = _once(results[index] for index in range(len(wanted)))
    return Pulled(tuple(found.models), tuple(found.failures), tuple(sorted(context.notes)))


def pull_data(study: Study, pulled: Pulled, *, cache: Path) -> Pulled:
    """Bring the data that the study's measures need for its models; what cannot be had is among the failures."""
    from analysis.measure import GroupMeasure
    from analysis.measures import MEASURES

    taken = [measure for name in study.measures if isinstance(measure := MEASURES[name], GroupMeasure)]
    sources = [model.source for model in pulled.models]
    needed = [entry for measure in taken if any(map(measure.needs, sources)) for entry in measure.data]
    if not needed:
        return pulled
    entries = tuple({(entry.label, entry.weights): entry for entry in needed}.values())
    found = [
        pull(replace(study, families=(Family("data", "", (entry,), study.path),)), cache=cache) for entry in entries
    ]
    return replace(
        pulled,
        data=tuple(model for one in found for model in one.models),
        failures=(*pulled.failures, *(failure for one in found for failure in one.failures)),
        notes=(*pulled.notes, *(note for one in found for note in one.notes)),
    )


def pull_one(entry: ModelEntry, *, cache: Path) -> Model:
    """One model without a study; a branch is resolved anew. Raises ElfError or OSError if it cannot be had."""
    family = Family("", "", (entry,), Path.cwd() / "no-study.yaml")
    with tempfile.TemporaryDirectory() as nowhere:
        lock = Lock(Path(nowhere) / "no-study.yaml", cache)
        context = Context(cache, Sums(cache / "verified.json"), lock)
        found = SOURCES[type(entry)](entry, family, context)
    context.sums.save()
    for failure in found.failures:
        raise SourceError(failure.error, f"{failure.file}: {failure.reason}", failure.file)
    return found.models[0]


@dataclass
class _Told:
    """Counts entries over both rounds of a pull."""

    total: int
    progress: Progress | None
    done: int = 0

    def __call__(self, name: str) -> None:
        self.done += 1
        if self.progress:
            self.progress(self.done, self.total, name)


def _all(chosen: dict[int, tuple[ModelEntry, Family]], context: Context, jobs: int, told: _Told) -> dict[int, Found]:
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        futures = {pool.submit(_attempt, *pair, context): index for index, pair in chosen.items()}
        try:
            for future in as_completed(futures):
                told(_called(chosen[futures[future]][0]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {index: future.result() for future, index in futures.items()}


def _attempt(entry: ModelEntry, family: Family, context: Context) -> Found:
    """What an entry comes to; whatever goes wrong with it is a failure of this entry alone."""
    try:
        return SOURCES[type(entry)](entry, family, context)
    except SourceError as error:
        return _failed(entry, family, error.kind, str(error), error.file)
    except OSError as error:
        return _failed(entry, family, type(error).__name__, describe(error, error.filename or _called(entry)))
    except ElfError as error:
        return _failed(entry, family, "ElfError", str(error))
    except Exception as error:  # a library's own: told by its name, and the rest of the study goes on
        return _failed(entry, family, type(error).__name__, " ".join(str(error).split()))


def _failed(entry: ModelEntry, family: Family, kind: str, reason: str, file: str = "") -> Found:
    return Found(failures=[SourceFailure(family.name, _called(entry), file, kind, reason)])


def _called(entry: ModelEntry) -> str:
    return entry.label or str(getattr(entry, "hub_cache", ""))


def _once(results: Iterator[Found]) -> Found:
    """All results in order; a model that another entry already gave is a failure, not counted twice."""
    found, seen = Found(), set[str]()
    for result in results:
        found.failures += result.failures
        for model in result.models:
            if model.name in seen:
                reason = "another entry of this study already gave a model of this name"
                found.failures.append(SourceFailure(model.family, model.name, "", "Duplicate", reason))
                continue
            seen.add(model.name)
            found.models.append(model)
    return found
