"""Relatives: pairs of files with an architecture in common, compared layer by layer and bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.measure import Emit, Group, GroupMeasure
from analysis.relatives.pairing import PairParams, layers_of, related

if TYPE_CHECKING:
    from analysis.shard_index import ShardIndex
    from elf.formats.base import ModelFile


def groups(index: ShardIndex, params: PairParams) -> list[Group]:
    """One group for each pair of related files, the earlier one first."""
    return [Group(pair) for pair in related(layers_of(index), params)]


def _run(files: Sequence[ModelFile], _: PairParams, emit: Emit) -> None:
    from analysis.relatives.kinship import compare  # compiled kernels

    compare(files[0], files[1], emit)


MEASURE = GroupMeasure("relatives", 1, PairParams, groups, _run)
