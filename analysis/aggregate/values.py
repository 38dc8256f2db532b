"""What the values of each model are like: exponents, sums and distances between repeats, from the shards of its files.

Files of a model add up. Nothing is added over models here, so that views choose which models count.
"""

from __future__ import annotations

import pandas as pd

from analysis.shard_index import ShardIndex
from analysis.tables import Table, frame, tidy
from analysis.tables.parameters import EXPONENTS, MAGNITUDES, REPEATS

MEASURE = "parameters"
COLUMNS = {
    EXPONENTS: {"n": "sum", "n_negative": "sum"},
    MAGNITUDES: {"n_finite": "sum", "minimum": "min", "maximum": "max", "sum": "sum", "sum_squares": "sum"},
    REPEATS: {"n": "sum"},
}
"""Of each table, how its columns add up over the files of a model."""


def tables(index: ShardIndex, made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:  # noqa: ARG001
    """The tables `exponents`, `magnitudes` and `repeats`."""
    return {table.name: _added(index, table) for table in COLUMNS}


def _added(index: ShardIndex, table: Table) -> pd.DataFrame:
    rows = index.rows(MEASURE, table.name)
    if rows.empty:
        return frame(table, [])
    added = rows.groupby(list(table.key), as_index=False).agg(COLUMNS[table])
    for name in {"sum", "sum_squares"} & set(added):  # what one file does not know is not known
        unknown = rows[name].isna().groupby([rows[key] for key in table.key]).any()
        added[name] = added[name].mask(unknown.to_numpy())
    return tidy(table, added.assign(method_version=index.manifest.measures[MEASURE]))
