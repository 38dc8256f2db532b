"""Pairs of files that have a tensor of the same name: how many parameters are equal in place, and by chance.

The exact answer to what the sketches of `similarity` estimate for the shingle `parameter`; two files without a common
tensor have none, and are not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Annotated

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from analysis.measure import Emit, Group, GroupMeasure

if TYPE_CHECKING:
    from analysis.shard_index import ShardIndex
    from elf.formats.base import ModelFile


class EqualParametersParams(BaseModel):
    """How many pairs of files are compared at most: those with most parameters in tensors of equal name and type."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pairs: Annotated[StrictInt, Field(ge=0)] = 2000


Named = tuple[str, str]
"""A model and one of its files."""


def _groups(index: ShardIndex, params: EqualParametersParams) -> Sequence[Group]:
    found = overlaps(index.rows("hash_dedup", "layers"))
    strongest = sorted(found, key=lambda pair: (-found[pair], pair))[: params.pairs]
    return [Group(pair) for pair in sorted(strongest)]


def overlaps(layers: pd.DataFrame) -> dict[tuple[Named, Named], int]:
    """Parameters in tensors of one name and type, for each pair of original files that have one; (a, b) with a < b.

    `layers` are the rows of the shards' tables of this name.
    """
    if layers.empty:
        return {}
    own = layers[layers["alias_of"].isna() & ~layers["derived"].astype(bool) & (layers["n_params"] > 0)]
    holders: defaultdict[tuple[str, str], list[tuple[Named, int]]] = defaultdict(list)
    columns = ["name", "dtype", "model", "file", "n_params"]
    for name, dtype, model, file, n_params in own[columns].itertuples(index=False):
        holders[name, dtype].append(((model, file), int(n_params)))
    overlap: defaultdict[tuple[Named, Named], int] = defaultdict(int)
    for files in holders.values():
        for (a, n_a), (b, n_b) in combinations(sorted(files), 2):
            overlap[a, b] += min(n_a, n_b)
    return overlap


def _run(files: Sequence[ModelFile], _: EqualParametersParams, emit: Emit) -> None:
    from analysis.similarity.parameter_pairs import compare  # compiled kernels: loaded only where something is measured

    compare(files[0], files[1], emit)


MEASURE = GroupMeasure("equal_parameters", 1, EqualParametersParams, _groups, _run)
