"""Resemblance: similar chunks of one file or two, each coded against its base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.measure import Emit, Group, GroupMeasure
from analysis.measures.chunk_features import ResemblanceParams, facts
from analysis.relatives.similar import chunks_of, files_to_code

if TYPE_CHECKING:
    from analysis.shard_index import ShardIndex
    from elf.formats.base import ModelFile


def groups(index: ShardIndex, params: ResemblanceParams) -> list[Group]:
    """The files that hold a chunk and its base in a store of one model, one family or the study."""
    return [Group(files) for files in files_to_code(chunks_of(index), params.methods)]


def _run(files: Sequence[ModelFile], params: ResemblanceParams, emit: Emit) -> None:
    from analysis.relatives.resemblance import code_similar  # compiled kernels

    code_similar(files, params.fastcdc, params.methods, emit)


MEASURE = GroupMeasure("resemblance", 1, ResemblanceParams, groups, _run, facts=facts)
