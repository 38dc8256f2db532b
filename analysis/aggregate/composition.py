"""Deduplication and compression in every order: what each composition keeps of a model, a family and the study."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandas as pd

from analysis.aggregate.stores import INDEX_BYTES, REFERENCE_BYTES, SUMS, globbed, in_scope, partitions, summed
from analysis.shard_index import ShardIndex
from analysis.tables import frame, tidy
from analysis.tables.composition import COMPOSITION

MEASURE = "composition"
ENTRY_BYTES = 5
"""What is kept for each coded unit beside recipe and index: how it is coded, and its coded length."""

SCOPES = ("model", "family", "study")
KEY = ["method", "scope", "name"]

UNITS = """SELECT codec || '|' || method AS method, hash_hi AS hi, hash_lo AS lo, 0 AS type, bytes, coded AS kept,
                  count AS n, path FROM shard"""
STREAMS = """SELECT codec || '|' || unit || ': ' || method AS method, hash_hi AS hi, hash_lo AS lo, 0 AS type, bytes,
                  bytes AS kept, count AS n, path FROM shard"""
CODED = """
SELECT codec || '|' || method AS method, path, sum(count)::BIGINT AS n_units, sum(bytes * count)::BIGINT AS bytes_in,
       sum(coded * count)::BIGINT AS bytes_payload
FROM (SELECT *, filename AS path FROM read_parquet(?, filename = true, hive_partitioning = false)) GROUP BY ALL
"""


def tables(index: ShardIndex, made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:  # noqa: ARG001
    """The table `composition`."""
    references = index.references(MEASURE, "units")
    if references.empty:
        return {"composition": frame(COMPOSITION, [])}
    units = _stores(index, "units", UNITS)
    coded = _coded(index, references)
    streams = _streams(index, coded)
    found = [
        _labelled(coded[(coded["codec"] == "stored") & (coded["unit"] == "file")], "identity"),
        _labelled(units[units["codec"] == "stored"], "dedup"),
        _labelled(coded[coded["codec"] != "stored"], "compress"),
        _labelled(units[units["codec"] != "stored"], "dedup-compress"),
        _labelled(streams[(streams["codec"] != "stored") | (streams["unit"] == "layer")], "compress-dedup"),
    ]
    rows = pd.concat(found, ignore_index=True).assign(method_version=index.manifest.measures[MEASURE])
    return {"composition": tidy(COMPOSITION, rows)}


def _stores(index: ShardIndex, table: str, select: str) -> pd.DataFrame:
    """What deduplicating stores of every scope keep: codec, unit, method, scope, name and SUMS."""
    references = index.references(MEASURE, table)
    found = [
        in_scope(connection, scope, references, index.manifest.study)
        for connection in partitions(references, select)
        for scope in SCOPES
    ]
    return _split(summed(found, tuple(KEY), SUMS))


def _split(rows: pd.DataFrame) -> pd.DataFrame:
    """`method` as the columns codec, unit and method: zstd-3|chunk: xet @ file."""
    parts = rows["method"].astype(str).str.extract(r"^(?P<codec>[^|]*)\|(?P<unit>\w+): (?P<method>.*)$")
    return rows.assign(codec=parts["codec"], unit=parts["unit"], method=parts["method"])


def _coded(index: ShardIndex, references: pd.DataFrame) -> pd.DataFrame:
    """Every unit coded on its own, none dropped: columns as `_stores`."""
    with duckdb.connect() as connection:
        data = connection.execute(CODED, [globbed(set(references["path"]))]).df().merge(references, on="path")
    data = data.assign(study=index.manifest.study, n_unique=data["n_units"])
    return _split(pd.concat([*_by_scope(data)], ignore_index=True))


def _by_scope(data: pd.DataFrame) -> Iterator[pd.DataFrame]:
    originals = data[~data["derived"].astype(bool)]
    for scope in SCOPES:
        chosen = data if scope == "model" else originals
        added = chosen.groupby(["method", scope], as_index=False)[SUMS].sum()
        yield added.rename(columns={scope: "name"}).assign(scope=scope)


def _streams(index: ShardIndex, coded: pd.DataFrame) -> pd.DataFrame:
    """Stores over the chunks of coded bytes; `bytes_in` and the number of coded units are those before coding."""
    stores = _stores(index, "streams", STREAMS).drop(columns="bytes_in")
    before = coded[coded["unit"].isin(["file", "layer"])].rename(columns={"n_units": "n_coded"})
    return stores.merge(before[["codec", "unit", "scope", "name", "n_coded", "bytes_in"]])


def _labelled(rows: pd.DataFrame, order: str) -> pd.DataFrame:
    """Rows of the table, with what a store of this order needs beside the payload."""
    is_store, is_coded = "dedup" in order, "compress" in order
    n_coded = (rows["n_coded"] if "n_coded" in rows else rows["n_unique"]).mask(rows["codec"] == "stored", 0)
    return rows.assign(
        order=order,
        coded=rows["unit"] if is_coded else "",
        granularity="chunk" if order == "compress-dedup" else rows["unit"] if is_store else "",
        bytes_recipe=rows["n_units"] * (REFERENCE_BYTES if is_store else 0),
        bytes_index=rows["n_unique"] * (INDEX_BYTES if is_store else 0) + n_coded * (ENTRY_BYTES if is_coded else 0),
    )
