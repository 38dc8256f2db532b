"""The published Elves over the models of each family: deduplication sees one family at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from analysis.measures.base import Emit, Group, GroupMeasure

if TYPE_CHECKING:
    from analysis.shard_index import ShardIndex
    from elf.formats.base import ModelFile


class ElvesFamilyParams(BaseModel):
    """Nothing to choose: the published pipeline has one setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _groups(index: ShardIndex, _: ElvesFamilyParams) -> list[Group]:
    """The files of each family's original models, in order of their names."""
    families: dict[str, list[tuple[str, str]]] = {}
    for model, file in index.files():
        if not model.derived:
            families.setdefault(model.family, []).append((model.model, file.file))
    return [Group(tuple(sorted(files))) for _, files in sorted(families.items())]


def _run(files: Sequence[ModelFile], _: ElvesFamilyParams, emit: Emit) -> None:
    from analysis.evaluation.published import (
        published_rows,
    )  # compiled kernels: loaded only where something is measured

    published_rows(files, emit)


MEASURE = GroupMeasure("elves_family", 1, ElvesFamilyParams, _groups, _run)
