"""What sees the models of a family together: the published Elves, and deltas between relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from analysis.measure import Emit, Group, GroupMeasure

if TYPE_CHECKING:
    from analysis.shard_index import ShardIndex
    from elf.formats.base import ModelFile


PARTS = ("published", "delta")


def _known(names: list[str]) -> list[str]:
    if unknown := [name for name in names if name not in PARTS]:
        raise ValueError(f"{', '.join(unknown)}: no such part; there are: {', '.join(PARTS)}")
    return names


class ElvesFamilyParams(BaseModel):
    """Which parts: the published pipeline, deltas; neither has anything else to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: Annotated[list[str], AfterValidator(_known)] = list(PARTS)


def _parts(params: ElvesFamilyParams) -> dict[str, ElvesFamilyParams]:
    return {name: ElvesFamilyParams(parts=[name]) for name in params.parts}


def _groups(index: ShardIndex, _: ElvesFamilyParams) -> list[Group]:
    """The files of each family's original models, in order of their names."""
    return [Group(tuple(files)) for files in index.families()]


def _run(files: Sequence[ModelFile], params: ElvesFamilyParams, emit: Emit) -> None:
    # compiled kernels: loaded only where something is measured
    from analysis.evaluation.published import published_rows
    from analysis.evaluation.relatives import delta_rows

    runs = {"published": published_rows, "delta": delta_rows}
    for name in params.parts:
        runs[name](files, emit)


MEASURE = GroupMeasure("elves_family", 1, ElvesFamilyParams, _groups, _run, _parts)
