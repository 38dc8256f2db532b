"""A run: pull what the study names, measure what has no shard yet, write the manifest of it all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.executor import run_here, run_on_dask
from analysis.manifest import Failure, FileEntry, Manifest, ModelEntry
from analysis.places import Places
from analysis.progress import bar
from analysis.shards import is_done, shard_key, sweep_partials
from analysis.sources.sums import Sums
from analysis.units import Outcome, Unit
from elf.errors import ElfError

if TYPE_CHECKING:
    from analysis.config import Study
    from analysis.sources import Model, Pulled, WeightFile


@dataclass
class Plan:
    """What a study comes to: its models with their shard keys, the units that measure them, what failed so far."""

    models: list[ModelEntry] = field(default_factory=list)
    units: dict[str, Unit] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def missing(self, shards: Path) -> list[Unit]:
        """Units without a shard, the largest file first, so that no worker ends with a long one."""
        todo = [unit for unit in self.units.values() if not is_done(shards, unit.key)]
        return sorted(todo, key=lambda unit: (-unit.bytes, unit.key))


def plan(study: Study, pulled: Pulled, places: Places) -> Plan:
    """The units of a pulled study. A file that cannot be read is a failure of the plan, never an exception."""
    sums = Sums(places.cache / "verified.json")
    made = Plan(failures=[Failure(step="pull", **vars(failure)) for failure in pulled.failures])
    for model in pulled.models:
        made.models.append(_plan_model(study, model, made, sums, places))
    sums.save()
    return made


def _plan_model(study: Study, model: Model, made: Plan, sums: Sums, places: Places) -> ModelEntry:
    files = []
    for main, parts in _bundles(model.files):
        try:
            content = [sums.sha256(path) for path in parts]
        except OSError as error:
            reason = f"{error.filename}: cannot be read: {error.strerror}"
            made.failures.append(
                Failure(
                    family=model.family,
                    model=model.name,
                    file=main.name,
                    step="read",
                    error=type(error).__name__,
                    reason=reason,
                )
            )
            continue
        size = sum(path.stat().st_size for path in parts)
        shards = {name: _key(study, name, content) for name in study.measures}
        for name, key in shards.items():
            params = study.measures[name].model_dump(mode="json")
            made.units[key] = Unit(key, name, params, main.path, size, places.shards)
        files.append(FileEntry(file=main.name, path=main.path, bytes=size, n_parts=len(parts), shards=shards))
    return ModelEntry(
        family=model.family,
        model=model.name,
        source=model.source,
        revision=model.revision,
        task=model.task,
        derived=model.derived,
        files=tuple(files),
    )


def _key(study: Study, measure: str, content: list[str]) -> str:
    from analysis.measures import MEASURES
    from elf.formats.base import READER_VERSION

    params = study.measures[measure].model_dump(mode="json")
    return shard_key(content, measure, MEASURES[measure].version, params, READER_VERSION)


def _bundles(files: Iterable[WeightFile]) -> Iterator[tuple[WeightFile, list[Path]]]:
    """Each model file with all its parts; external data of an ONNX file belongs to it and is no file of its own."""
    files = list(files)
    parts = {file.path: _parts(file.path) for file in files}
    external = {path.resolve() for own in parts.values() for path in own[1:]}
    for file in files:
        if file.path.resolve() not in external:
            yield file, parts[file.path]


def _parts(path: Path) -> list[Path]:
    if path.suffix != ".onnx":
        return [path]
    from elf.formats import open_model

    try:
        with open_model(path) as model:
            return model.parts
    except ElfError:
        return [path]  # its unit will say why


def measure(made: Plan, places: Places, *, jobs: int, dask: str | None = None) -> list[Outcome]:
    """Measure every unit that has no shard. Returns the outcomes of those measured now, failures among them."""
    sweep_partials(places.shards)
    todo = made.missing(places.shards)
    outcomes = run_on_dask(todo, dask) if dask else run_here(todo, jobs)
    done = []
    with bar("measure", total=sum(unit.bytes for unit in todo), unit="B") as progress:
        for outcome in outcomes:
            done.append(outcome)
            progress.update(made.units[outcome.key].bytes)
    return done


def manifest(study: Study, made: Plan, outcomes: list[Outcome]) -> Manifest:
    """The manifest of a finished run; a file whose unit failed is in `failures` and has no shard of that measure."""
    from analysis.measures import MEASURES

    failed = {outcome.key: outcome for outcome in outcomes if outcome.error}
    failures = [*made.failures, *_failures(made, failed)]
    models = [
        model.model_copy(update={"files": tuple(_without(file, failed) for file in model.files)})
        for model in made.models
    ]
    versions = {name: MEASURES[name].version for name in study.measures}
    return Manifest(study=study.name, measures=versions, models=tuple(models), failures=tuple(failures))


def _without(file: FileEntry, failed: dict[str, Outcome]) -> FileEntry:
    return file.model_copy(update={"shards": {name: key for name, key in file.shards.items() if key not in failed}})


def _failures(made: Plan, failed: dict[str, Outcome]) -> Iterator[Failure]:
    for model in made.models:
        for file in model.files:
            for step, key in file.shards.items():
                if key in failed:
                    reason = _without_place(failed[key].reason, file)
                    yield Failure(
                        family=model.family,
                        model=model.model,
                        file=file.file,
                        step=step,
                        error=failed[key].error,
                        reason=reason,
                    )


def _without_place(reason: str, file: FileEntry) -> str:
    """Reasons go into a table that is the same on every machine: the file is named, not where it lies."""
    return reason.replace(str(file.path), file.file)
