"""Lossless coding: the rows of files added up by model, those of families named."""

from __future__ import annotations

import pandas as pd

from analysis.shard_index import ShardIndex
from analysis.tables import Table, frame, tidy
from analysis.tables.compression import COMPRESSION, COMPRESSION_SAMPLE, DICTIONARIES, ENTROPY, LONG_DISTANCE


def tables(index: ShardIndex, made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:  # noqa: ARG001
    """The tables of the measures `compression`, `entropy` and `zstd_beyond`."""
    return {
        "compression": _summed(index, "compression", "compression", COMPRESSION),
        "compression_sample": _summed(
            index, "compression", "samples", COMPRESSION_SAMPLE, renamed={"estimate": "bytes_estimate"}
        ),
        "entropy": _summed(index, "entropy", "entropy", ENTROPY, keep=["width"]),
        "dictionaries": _of_families(index, "trained", DICTIONARIES),
        "long_distance": _of_families(index, "long", LONG_DISTANCE),
    }


def _summed(
    index: ShardIndex,
    measure: str,
    shard_table: str,
    table: Table,
    *,
    renamed: dict[str, str] | None = None,
    keep: list[str] | None = None,
) -> pd.DataFrame:
    """A table whose rows are sums over a model's files, in the manifest's order."""
    rows = index.rows(measure, shard_table).rename(columns=renamed or {})
    if not len(rows):
        return frame(table, [])
    sums = [name.name for name in table.columns if name.kind in {"count", "bytes", "number"} and name.name in rows]
    by = [*table.key, *(keep or [])]
    data = rows.groupby(by, as_index=False, sort=True)[[name for name in sums if name not in by]].sum()
    return tidy(table, data.assign(method_version=index.manifest.measures[measure]))


def _of_families(index: ShardIndex, shard_table: str, table: Table) -> pd.DataFrame:
    rows = index.group_rows("zstd_beyond", shard_table)
    if not len(rows):
        return frame(table, [])
    families = {model.model: model.family for model in index.manifest.models}
    version = index.manifest.measures["zstd_beyond"]
    return tidy(table, rows.assign(family=rows["model_a"].map(families), method_version=version))
