"""A run: pull what the study names, measure what has no shard yet, write the manifest of it all.

Two rounds: first every measure of one file, then those of several files together, which are found in the shards of the
first round.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.executor import run_here, run_on_dask
from analysis.manifest import Failure, FileEntry, GroupEntry, Manifest, ModelEntry, step_name
from analysis.places import Places
from analysis.progress import bar
from analysis.shard_index import ShardIndex
from analysis.shards import is_done, shard_key, sweep_partials
from analysis.sources.sums import Sums
from analysis.units import Outcome, State, Unit, state_of
from elf.errors import ElfError

if TYPE_CHECKING:
    from analysis.config import Study
    from analysis.measure import AnyMeasure, Group
    from analysis.sources import Model, Pulled, WeightFile


@dataclass(frozen=True)
class Located:
    """A model file on this disk: its path, the content and the state of each of its parts, their bytes together."""

    path: Path
    content: tuple[str, ...]
    states: tuple[State, ...]
    bytes: int

    @property
    def named(self) -> list[str]:
        """Name and content of each part: formats are told by names, and what restores a file holds its name."""
        return [f"{Path(state[0]).name} {digest}" for state, digest in zip(self.states, self.content, strict=True)]


@dataclass
class Plan:
    """What a study comes to: its models with their shard keys, the units that measure them, what failed so far."""

    models: list[ModelEntry] = field(default_factory=list)
    groups: list[GroupEntry] = field(default_factory=list)
    units: dict[str, Unit] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    located: dict[tuple[str, str], Located] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)

    def missing(self, shards: Path) -> list[Unit]:
        """Units without a shard that were not tried yet, the largest file first: no worker ends with a long one."""
        untried = (unit for key, unit in self.units.items() if key not in self.tried)
        todo = [unit for unit in untried if not is_done(shards, unit.key)]
        return sorted(todo, key=lambda unit: (-unit.bytes, unit.key))


def plan(study: Study, pulled: Pulled, places: Places) -> Plan:
    """The units of a pulled study. A file that cannot be read is a failure of the plan, never an exception."""
    sums = Sums(places.cache / "verified.json")
    made = Plan(failures=[Failure(step="pull", **vars(failure)) for failure in pulled.failures])
    for model in pulled.models:
        made.models.append(_plan_model(study, model, made, sums, places))
    for data in pulled.data:
        _locate_data(data, made, sums)
    sums.save()
    return made


def _locate_data(data: Model, made: Plan, sums: Sums) -> None:
    """Files that groups may name, and that no table has."""
    for file in data.files:
        try:
            made.located[data.name, file.name] = _locate(file, [file.path], sums)
        except OSError as error:
            made.failures.append(
                _failure(data, file.name, "read", error=type(error).__name__, reason=_said(error), parts=[file.path])
            )


def _plan_model(study: Study, model: Model, made: Plan, sums: Sums, places: Places) -> ModelEntry:
    files = []
    claimed: dict[Path, str] = {}
    for main, parts in _bundles(model.files):
        try:
            _claim(claimed, main, parts)
            found = made.located[model.name, main.name] = _locate(main, parts, sums)
            files.append(_plan_file(study, main, found, made, places))
        except (ElfError, OSError) as error:
            made.failures.append(
                _failure(model, main.name, "read", error=type(error).__name__, reason=_said(error), parts=parts)
            )
    return ModelEntry(
        family=model.family,
        model=model.name,
        source=model.source,
        revision=model.revision,
        task=model.task,
        derived=model.derived,
        files=tuple(files),
    )


def _claim(claimed: dict[Path, str], main: WeightFile, parts: list[Path]) -> None:
    """External data belongs to one file. Raises ElfError for the second one: its bytes exist once and count once."""
    for part in parts[1:]:
        owner = claimed.setdefault(part.resolve(), main.name)
        if owner != main.name:
            raise ElfError(f"its external data {part.name} belongs to {owner} already, and is measured there")


def _locate(main: WeightFile, parts: list[Path], sums: Sums) -> Located:
    """Raises OSError when a part cannot be read, or is gone."""
    states = tuple(state_of(path) for path in parts)
    content = tuple(sums.sha256(path) for path in parts)
    return Located(main.path, content, states, sum(n_bytes for _, n_bytes, _, _ in states))


def _plan_file(study: Study, main: WeightFile, found: Located, made: Plan, places: Places) -> FileEntry:
    shards: dict[str, str] = {}
    for measure in _measures(study, of_groups=False):
        shards |= _plan_units(study, measure, [found], made, places)
    return FileEntry(file=main.name, bytes=found.bytes, n_parts=len(found.content), shards=shards)


def _measures(study: Study, *, of_groups: bool) -> list[AnyMeasure]:
    from analysis.measure import GroupMeasure
    from analysis.measures import MEASURES

    taken = [MEASURES[name] for name in study.measures]
    return [measure for measure in taken if isinstance(measure, GroupMeasure) == of_groups]


def _plan_units(study: Study, measure: AnyMeasure, files: list[Located], made: Plan, places: Places) -> dict[str, str]:
    """One unit for each part of a measure; their keys by step."""
    keys = {}
    for part, params in measure.parts(study.measures[measure.name]).items():
        key = _key(measure, params, files)
        made.units[key] = Unit(
            key,
            measure.name,
            params.model_dump(mode="json"),
            tuple(file.path for file in files),
            sum(file.bytes for file in files),
            places.shards,
            tuple(state for file in files for state in file.states),
        )
        keys[step_name(measure.name, part)] = key
    return keys


def plan_groups(study: Study, made: Plan, so_far: Manifest, places: Places) -> None:
    """Add the units that look at several files together, as the shards of `so_far` tell them.

    Files that were taken out since, or that the first round could not measure, are in no group.
    """
    from analysis.measure import GroupMeasure

    index = ShardIndex(so_far, places.shards)
    for measure in _measures(study, of_groups=True):
        assert isinstance(measure, GroupMeasure)
        for group in measure.groups(index, study.measures[measure.name]):
            if not set(group.files) <= made.located.keys():
                continue  # data that could not be had, which is among the failures
            _plan_group(study, measure, group, made, places)


def _plan_group(study: Study, measure: AnyMeasure, group: Group, made: Plan, places: Places) -> None:
    files = [made.located[file] for file in group.files]
    for step, key in _plan_units(study, measure, files, made, places).items():
        made.groups.append(GroupEntry(step=step, files=group.files, shard=key))


def _said(error: Exception) -> str:
    return f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)


def _failure(model: Model | ModelEntry, file: str, step: str, *, error: str, reason: str, parts: list[Path]) -> Failure:
    """A row of failures.csv; it names files, not where they lie on this machine."""
    for path in parts:
        reason = reason.replace(str(path), path.name).replace(f"{path.parent}{os.sep}", "")
    name = model.name if hasattr(model, "name") else model.model
    return Failure(family=model.family, model=name, file=file, step=step, error=error, reason=reason)


def _key(measure: AnyMeasure, params: Any, files: list[Located]) -> str:
    from elf.formats.base import READER_VERSION

    facts = {"params": params.model_dump(mode="json"), "facts": measure.facts(params)}
    content = [file.named for file in files]
    return shard_key(content, measure.name, measure.version, facts, READER_VERSION)


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
    outcomes = run_on_dask(todo, dask) if dask else run_here(todo, max(1, min(jobs, len(todo))))
    done = []
    with bar("measure", total=sum(unit.bytes for unit in todo), unit="B") as progress:
        for outcome in outcomes:
            done.append(outcome)
            made.tried.add(outcome.key)
            progress.update(made.units[outcome.key].bytes)
    return done


def manifest(study: Study, made: Plan, outcomes: list[Outcome], places: Places) -> Manifest:
    """The manifest of what was planned and measured so far.

    A file whose unit failed is in `failures` and has no shard of that step.
    """
    from analysis.measures import MEASURES

    failed = {outcome.key: outcome for outcome in outcomes if outcome.error}
    failed |= {outcome.key: _lost(outcome, places) for outcome in outcomes if not is_done(places.shards, outcome.key)}
    failures = [*made.failures, *_failures(made, failed)]
    models = tuple(
        model.model_copy(update={"files": tuple(_without(file, failed) for file in model.files)})
        for model in made.models
    )
    groups = tuple(group for group in made.groups if group.shard not in failed)
    versions = {name: MEASURES[name].version for name in study.measures}
    return Manifest(
        study=study.name, measures=versions, models=models, failures=tuple(dict.fromkeys(failures)), groups=groups
    )


def _lost(outcome: Outcome, places: Places) -> Outcome:
    """A unit that has no shard here: it failed, or its worker wrote to a disk of its own."""
    if outcome.error:
        return outcome
    reason = f"its worker left no shard in {places.shards.name}: the workers of a cluster must share the cache folder"
    return Outcome(outcome.key, "LostShard", reason)


def _without(file: FileEntry, failed: dict[str, Outcome]) -> FileEntry:
    return file.model_copy(update={"shards": {name: key for name, key in file.shards.items() if key not in failed}})


def _failures(made: Plan, failed: dict[str, Outcome]) -> Iterator[Failure]:
    for model in made.models:
        for file in model.files:
            for step, key in file.shards.items():
                if outcome := failed.get(key):
                    yield _unit_failure(made, model, file.file, step, outcome)
    models = {model.model: model for model in made.models}
    for group in made.groups:
        if outcome := failed.get(group.shard):
            name, blamed = _blamed(made, group, outcome, models)
            yield _unit_failure(made, models[name], blamed, group.step, outcome)


def _blamed(made: Plan, group: GroupEntry, outcome: Outcome, models: dict[str, ModelEntry]) -> tuple[str, str]:
    """The file of a group that its reason begins with; else the first."""
    named = [file for file in group.files if outcome.reason.startswith(f"{made.located[file].path}:")]
    return next((file for file in named if file[0] in models), group.files[0])


def _unit_failure(made: Plan, model: ModelEntry, file: str, step: str, outcome: Outcome) -> Failure:
    unit, own = made.units[outcome.key], made.located[model.model, file]
    reason = outcome.reason
    if own.path not in unit.paths:  # of equal files, one was measured for all
        reason = reason.replace(str(unit.path), str(own.path))
    parts = [Path(state[0]) for state in (*own.states, *unit.states)]
    return _failure(model, file, step, error=outcome.error, reason=reason, parts=parts)
