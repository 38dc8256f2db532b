"""Deduplication at parameter granularity: exact distinct bit patterns per dtype, and what the values are like.

A store of parameters keeps each distinct value once (the payload) and, for each parameter, a packed index of
ceil(log2 distinct) bits (the recipe). Counting is exact: the sorted distinct patterns of each file are merged by
model, by family and over the study, one range of values after the other, so that memory is bounded by a range.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.shard_index import ShardIndex
from analysis.shards import VALUES_OF
from analysis.tables import frame, tidy
from analysis.tables.dedup import HASH_DEDUP
from analysis.tables.parameters import PARAMETERS
from elf.tensor import DTYPES

MEASURE = "hash_dedup"
PARTITION_VALUES = 1 << 23
COUNTS = ["n_params", "n_in_unit_interval", "n_zero", "n_nonfinite", "n_f16_exact", "n_bf16_exact"]

Distinct = Counter[tuple[str, str, str]]
"""Number of distinct values by (scope, name, dtype)."""


def tables(index: ShardIndex, made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The table `parameters`."""
    return {"parameters": parameters(index, made["layers"])}


def parameters(index: ShardIndex, layers: pd.DataFrame) -> pd.DataFrame:
    """The table `parameters`: sums over layers that are no aliases, and exact distinct counts."""
    derived = {model.model for model in index.manifest.models if model.derived}
    own = layers[layers["alias_of"] == ""].assign(study=index.manifest.study)
    originals = own[~own["model"].isin(derived)]
    sums = [
        _sums(own, "model", "model"),
        _sums(originals, "family", "family"),
        _sums(originals, "study", "study"),
        _sums(originals, "role", "role"),
    ]
    distinct = count_distinct(index)
    data = pd.concat(sums)
    keys = zip(data["scope"], data["name"], data["dtype"], strict=True)
    counts = pd.array([distinct.get(key) for key in keys], dtype="Int64")
    return tidy(PARAMETERS, data.assign(n_distinct=counts, method_version=index.manifest.measures[MEASURE]))


def _sums(layers: pd.DataFrame, scope: str, by: str) -> pd.DataFrame:
    summed = layers.groupby([by, "dtype"], as_index=False)[COUNTS].sum(min_count=1)
    return summed.rename(columns={by: "name"}).assign(scope=scope)


def stores(table: pd.DataFrame, layers: pd.DataFrame, study: str) -> pd.DataFrame:
    """Rows of `hash_dedup` at parameter granularity. A dtype whose values were not counted is kept as it is."""
    counted = table[table["scope"] != "role"]
    stored = _stored(layers, study)
    rows = [_store(row, stored[(row["scope"], row["name"], row["dtype"])]) for row in counted.to_dict("records")]
    return frame(HASH_DEDUP, rows)


def _stored(layers: pd.DataFrame, study: str) -> dict[tuple[str, str, str], int]:
    """Stored bytes by (scope, name, dtype); `layers` of derived models count for their model only."""
    total: Counter[tuple[str, str, str]] = Counter()
    for model, family, derived, dtype, stored in layers[
        ["model", "family", "derived", "dtype", "bytes_stored"]
    ].itertuples(index=False):
        total["model", model, dtype] += stored
        if not derived:
            total["family", family, dtype] += stored
            total["study", study, dtype] += stored
    return total


def _store(row: dict[Any, Any], bytes_in: int) -> dict[str, object]:
    n = int(row["n_params"])
    kept = None if pd.isna(row["n_distinct"]) else int(row["n_distinct"])
    width = DTYPES[str(row["dtype"])].block_bytes
    return {
        "granularity": "parameter",
        "method": row["dtype"],
        "scope": row["scope"],
        "name": row["name"],
        "n_units": n,
        "n_unique": n if kept is None else kept,
        "bytes_in": bytes_in,
        "bytes_payload": bytes_in if kept is None else kept * width,
        "bytes_recipe": 0 if kept is None else packed_bytes(n, kept),
        "bytes_index": 0,
        "method_version": row["method_version"],
    }


def packed_bytes(n: int, distinct: int) -> int:
    """Bytes of n packed indices into a table of `distinct` entries: n x ceil(log2 distinct) bits, in whole bytes."""
    return -(-n * max(0, distinct - 1).bit_length() // 8)


def count_distinct(index: ShardIndex) -> Distinct:
    """Exact distinct bit patterns by model, family and study, per dtype. Derived models count in no family or study."""
    total: Distinct = Counter()
    for dtype in _dtypes(index):
        for low, high in ranges(path for _, _, path in _value_files(index, dtype)):
            total += _count_range(index, dtype, low, high)
    return total


def ranges(paths: Iterable[Path]) -> Iterator[tuple[int, int]]:
    """Ranges [low, high) of values that hold about PARTITION_VALUES rows each, told from the row groups' smallest."""
    groups = sorted(group for path in set(paths) for group in _row_groups(path))
    low = rows = 0
    for smallest, n_rows in groups:
        if rows + n_rows > PARTITION_VALUES and smallest > low:
            yield low, smallest
            low, rows = smallest, 0
        rows += n_rows
    yield low, 1 << 64


def _row_groups(path: Path) -> Iterator[tuple[int, int]]:
    metadata = pq.read_metadata(path)
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        if group.num_rows:
            yield group.column(0).statistics.min, group.num_rows


def _dtypes(index: ShardIndex) -> list[str]:
    names = {table for _, _, folder in index.measured(MEASURE) for table in index.tables(folder)}
    return sorted(name.removeprefix(VALUES_OF) for name in names if name.startswith(VALUES_OF))


def _value_files(index: ShardIndex, dtype: str) -> list[tuple[str, str, Path]]:
    """(model, family or "" when derived, path) of every shard with values of a dtype, models of one family together."""
    found = [
        (model.model, "" if model.derived else model.family, folder / f"{VALUES_OF}{dtype}.parquet")
        for model, _, folder in index.measured(MEASURE)
        if VALUES_OF + dtype in index.tables(folder)
    ]
    return sorted(found, key=lambda entry: (entry[1], entry[0], entry[2]))


def _count_range(index: ShardIndex, dtype: str, low: int, high: int) -> Distinct:
    """Counts of the values in [low, high): models merge into their family, families into the study."""
    counts: Distinct = Counter()
    models: dict[tuple[str, str], list[NDArray[np.unsignedinteger]]] = {}
    for model, family, path in _value_files(index, dtype):
        models.setdefault((family, model), []).append(_read(path, dtype, low, high))
    families: dict[str, list[NDArray[np.unsignedinteger]]] = {}
    for (family, model), arrays in models.items():
        merged = union(arrays)
        counts["model", model, dtype] = len(merged)
        if family:
            families.setdefault(family, []).append(merged)
    merged_families = {family: union(arrays) for family, arrays in families.items()}
    counts.update({("family", family, dtype): len(values) for family, values in merged_families.items()})
    counts["study", index.manifest.study, dtype] = len(union(merged_families.values()))
    return counts


def _read(path: Path, dtype: str, low: int, high: int) -> NDArray[np.unsignedinteger]:
    """The values of a file in [low, high), sorted; row groups that hold none of them are not read."""
    column, first, last = pc.field("value"), pa.scalar(low, pa.uint64()), pa.scalar(high - 1, pa.uint64())
    wanted = None if (low, high) == (0, 1 << 64) else (column >= first) & (column <= last)
    patterns = pq.read_table(path, filters=wanted)["value"].to_numpy()
    values: NDArray[np.unsignedinteger] = patterns.astype(f"<u{DTYPES[dtype].block_bytes}")
    return values


def union(arrays: Iterable[NDArray[np.unsignedinteger]]) -> NDArray[np.unsignedinteger]:
    """The sorted distinct values of all arrays. Sort and difference: np.unique is many times slower here."""
    given = [array for array in arrays if len(array)]
    if not given:
        return np.empty(0, np.uint64)
    if len(given) == 1 and bool((given[0][1:] > given[0][:-1]).all()):
        return given[0]
    merged = np.sort(np.concatenate(given))
    keep = np.ones(len(merged), bool)
    np.not_equal(merged[1:], merged[:-1], out=keep[1:])
    return merged[keep]
