"""Twins: tensors equal up to transposition, reshape or an exact cast, in one file or two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis.measure import Emit, Group, GroupMeasure

if TYPE_CHECKING:
    from analysis.shard_index import ShardIndex
    from elf.formats.base import ModelFile

KEY = ["held_by", "n", "hash"]
CONTENT = ["hash_hi", "hash_lo", "dtype", "shape"]


class TwinsParams(BaseModel):
    """It has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def groups(index: ShardIndex, _: TwinsParams) -> list[Group]:
    """The files that hold a tensor and the first tensor with a key of it: pairs, or one file for both.

    Each tensor is compared with the first one of its key only, so that cost grows with the number of tensors.
    """
    keys, layers = index.rows("twin_keys", "keys"), index.rows("hash_dedup", "layers")
    if keys.empty or layers.empty:
        return []
    found = keys.merge(layers[["model", "file", "index", "n_distinct", *CONTENT]], on=["model", "file", "index"])
    found = found[~found["derived"] & (found["n_distinct"].fillna(2) >= 2)]
    found["shape"] = found["shape"].map(tuple)
    found = found.drop_duplicates([*KEY, *CONTENT])
    firsts = found.drop_duplicates(KEY)
    pairs = firsts.merge(found, on=KEY, suffixes=("_a", "_b"))
    other = (pairs[[f"{name}_a" for name in CONTENT]].to_numpy() != pairs[[f"{name}_b" for name in CONTENT]]).any(
        axis=1
    )
    return [_group(*files) for files in _files(pairs[other]).itertuples(index=False, name=None)]


def _files(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs[["model_a", "file_a", "model_b", "file_b"]].drop_duplicates()


def _group(model_a: Any, file_a: Any, model_b: Any, file_b: Any) -> Group:
    one, two = (model_a, file_a), (model_b, file_b)
    return Group((one,) if one == two else (one, two))


def _run(files: Sequence[ModelFile], _: TwinsParams, emit: Emit) -> None:
    from analysis.relatives.twins import find_twins  # compiled kernels

    find_twins(files, emit)


MEASURE = GroupMeasure("twins", 1, TwinsParams, groups, _run)
