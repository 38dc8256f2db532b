"""Relatives: what pairs of files have in common."""

from __future__ import annotations

import pandas as pd

from analysis.shard_index import ShardIndex
from analysis.tables import Table, frame
from analysis.tables.relatives import RELATIVE_BITS, RELATIVES

MEASURE = "relatives"


def tables(index: ShardIndex, _: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables `relatives` and `relative_bits`."""
    return {
        table.name: _rows(index, shard_table, table)
        for table, shard_table in ((RELATIVES, "kinship"), (RELATIVE_BITS, "bits"))
    }


def _rows(index: ShardIndex, shard_table: str, table: Table) -> pd.DataFrame:
    found = index.group_rows(MEASURE, shard_table)
    if found.empty:
        return frame(table, [])
    return found.assign(method_version=index.manifest.measures[MEASURE])
