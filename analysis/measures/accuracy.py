"""Accuracy of restored models: one measure for each task of `analysis.accuracy`, one part for each method and bound."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt

from analysis.accuracy import TASKS
from analysis.measure import FAILURES, Emit, Facts, Group, GroupMeasure
from elf.errors import ElfError

if TYPE_CHECKING:
    from analysis.accuracy.base import Answers, Task
    from analysis.shard_index import ShardIndex
    from elf.formats.base import ModelFile

VERSION = 1
PREFIX = "accuracy_"

Other = Literal["bf16", "f16", "int16_tensor", "int16_channel", "int8_tensor", "int8_channel"]
Exponent = Annotated[StrictInt, Field(ge=1, le=53)]


def _distinct(values: list[object]) -> list[object]:
    if len(set(values)) < len(values):
        raise ValueError("one is given twice")
    return values


class AccuracyParams(BaseModel):
    """Which methods: `elves` (by its own rule) and `elf` (no tensor spared) at bounds 2^-n for each n; and others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    elves: Annotated[list[Exponent], AfterValidator(_distinct)] = [24, 16, 12]
    elf: Annotated[list[Exponent], AfterValidator(_distinct)] = [24, 20, 16, 12, 10, 8, 7, 6, 5, 4]
    others: Annotated[list[Other], AfterValidator(_distinct)] = [
        "bf16", "f16", "int16_tensor", "int16_channel", "int8_tensor", "int8_channel",
    ]  # fmt: skip


def _only(**one: list[Any]) -> AccuracyParams:
    return AccuracyParams(**({"elves": [], "elf": [], "others": []} | one))


def _parts(params: AccuracyParams) -> dict[str, AccuracyParams]:
    """Each method at each bound; the original is always among them, and is what asks for nothing."""
    made = {"original": _only()}
    made |= {f"elves_{bound}": _only(elves=[bound]) for bound in params.elves}
    made |= {f"elf_{bound}": _only(elf=[bound]) for bound in params.elf}
    return made | {name: _only(others=[name]) for name in params.others}


def _method(part: AccuracyParams) -> tuple[str, float | None]:
    for name, bounds in (("elves", part.elves), ("elf", part.elf)):
        if bounds:
            return name, 2.0 ** -bounds[0]
    return part.others[0] if part.others else "original", None


POINTS = pa.schema(
    [("metric", pa.string()), ("item", pa.string()), ("other", pa.string()), ("value", pa.float64()),
     ("weight", pa.float64())]
)  # fmt: skip
DECISIONS = pa.schema([("item", pa.string()), ("answer", pa.string()), ("score", pa.float64())])
DRIFT = pa.schema(
    [("n", pa.int64()), ("n_flips", pa.int64()), ("max_drift", pa.float64()), ("mean_drift", pa.float64())]
)
CODED = pa.schema(
    [("codec", pa.string()), ("error_bound", pa.float64()),
     *((name, pa.int64()) for name in ("n_params", "n_eligible", "bytes_in", "bytes_out", "bytes_eligible"))]
)  # fmt: skip


def _runs(task: Task) -> Callable[[Sequence[ModelFile], AccuracyParams, Emit], None]:
    def run(files: Sequence[ModelFile], params: AccuracyParams, emit: Emit) -> None:
        from analysis.accuracy.coded import Method, coded

        model, *data = files
        method = Method(*_method(params))
        given = dict(zip(_names(task), (file.part(0) for file in data), strict=True))
        with tempfile.TemporaryDirectory() as folder:
            path, sizes = coded(model, method, Path(folder))
            model.release()
            try:
                answers = task.answer(path, model.path, given)
            except ElfError as error:
                _refused(error, method.name, emit)
                return
        emit("coded", pa.Table.from_pylist([{"codec": method.name, "error_bound": method.bound, **vars(sizes)}], CODED))
        _emit(answers, emit)

    return run


def _refused(error: ElfError, codec: str, emit: Emit) -> None:
    """A model that cannot be run is told of once, for the original."""
    if codec == "original":
        row = {"method": codec, "error": type(error).__name__, "reason": str(error)}
        emit("failures", pa.Table.from_pylist([row], FAILURES))


def _emit(answers: Answers, emit: Emit) -> None:
    emit("points", pa.Table.from_pylist([vars(point) for point in answers.points], POINTS))
    rows = [dict(zip(DECISIONS.names, row, strict=True)) for row in answers.decisions]
    emit("decisions", pa.Table.from_pylist(rows, DECISIONS))
    if answers.drift is not None:
        emit("drift", pa.Table.from_pylist([vars(answers.drift)], DRIFT))


def _names(task: Task) -> list[str]:
    """The task's data files; patterns of data are names."""
    return [name for entry in task.data for name in entry.weights]


def _groups(task: Task) -> Callable[[ShardIndex, AccuracyParams], list[Group]]:
    def groups(index: ShardIndex, _: AccuracyParams) -> list[Group]:
        data = [(entry.label, name) for entry in task.data for name in entry.weights]
        return [
            Group(((model.model, file.file), *data))
            for model, file in index.files()
            if not model.derived and task.takes(model.source, file.file)
        ]

    return groups


def _facts(task: Task) -> Callable[[AccuracyParams], Facts]:
    return lambda _: {"task": task.version, **task.facts(), **{name: _version(name) for name in task.libraries}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


MEASURES = tuple(
    GroupMeasure(
        f"{PREFIX}{task.name}",
        VERSION,
        AccuracyParams,
        _groups(task),
        _runs(task),
        _parts,
        _facts(task),
        data=task.data,
        needs=task.needs,
    )
    for task in TASKS.values()
)
