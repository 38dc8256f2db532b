"""Hash deduplication over a whole study: what stores of every granularity and scope would keep.

A unit's identity is its hash (and, for typed layers, dtype and shape). For each identity the references are grouped
first by file, then by model, by family and over the study: a store that sees one file keeps one unit per (file,
identity), one that sees a model one per (model, identity), and so on. The scopes nest, so what each adds is the
difference to the one inside it, whatever the order of the models: within a file sum(n - 1), within a model
(files - 1), within a family (models - 1), across the study (families - 1).

`analysis/aggregate/stores.py` does the grouping, in bounded memory.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from analysis.aggregate import inventory, parameters
from analysis.aggregate.stores import (
    CONFIG,
    INDEX_BYTES,
    REFERENCE_BYTES,
    SUMS,
    costed,
    globbed,
    in_scope,
    named,
    partitions,
    summed,
)
from analysis.shard_index import ShardIndex
from analysis.tables import frame
from analysis.tables.dedup import DUPLICATES, HASH_DEDUP, SHARED_BYTES

__all__ = ["CONFIG", "INDEX_BYTES", "MEASURE", "REFERENCE_BYTES", "dedup", "duplicates", "globbed", "tables"]

MEASURE = "hash_dedup"

SOURCES = {
    "file": (
        "files",
        """SELECT 'whole' AS method, hash_hi AS hi, hash_lo AS lo, 0 AS type, bytes, bytes AS kept, 1 AS n, path
           FROM shard WHERE bytes > 0""",
    ),
    "layer": (
        "layers",
        """SELECT method, hash_hi AS hi, hash_lo AS lo, stored AS bytes, stored AS kept, 1 AS n, path,
                  hash(stored, CASE method WHEN 'typed' THEN (dtype, shape) END) AS type
           FROM shard, (VALUES ('typed'), ('untyped')) AS methods(method) WHERE stored > 0""",
    ),
    "chunk": (
        "chunks",
        """SELECT method || ' @ ' || anchor AS method, hash_hi AS hi, hash_lo AS lo, 0 AS type, length::BIGINT AS bytes,
                  length::BIGINT AS kept, count::BIGINT AS n, path
           FROM shard""",
    ),
}
"""For each granularity: the shard table that holds its units, and how units are read from it."""

SCOPES = ("file", "model", "family", "study")


def tables(index: ShardIndex, made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables `hash_dedup`, `shared_bytes` and `duplicates`."""
    study, version = index.manifest.study, index.manifest.measures[MEASURE]
    layers, models = made["layers"], made["models"]
    units, shared = dedup(index)
    found = [
        units,
        parameters.stores(made["parameters"], layers.merge(models[["model", "derived"]]), study),
        inventory.remainder(models, study, version),
    ]
    full = [store for store in found if len(store)]
    return {
        "hash_dedup": pd.concat(full) if full else found[-1],
        "shared_bytes": shared,
        "duplicates": duplicates(index),
    }


def dedup(index: ShardIndex) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`hash_dedup` at file, layer and chunk granularity, and `shared_bytes`."""
    version = index.manifest.measures[MEASURE]
    stores, shared = [], []
    for granularity, (table, select) in SOURCES.items():
        references = index.references(MEASURE, table)
        for connection in partitions(references, select):
            stores.append(_stores(connection, references, index.manifest.study).assign(granularity=granularity))
            shared.append(_shared(connection, references).assign(granularity=granularity))
    return (
        costed(summed(stores, HASH_DEDUP.key, SUMS), version),
        summed(shared, (*SHARED_BYTES.key, "family_a", "family_b"), ["n_units", "bytes"]).assign(
            method_version=version
        ),
    )


def _stores(connection: duckdb.DuckDBPyConnection, references: pd.DataFrame, study: str) -> pd.DataFrame:
    """Rows of hash_dedup for every scope, from one partition."""
    frames = [in_scope(connection, scope, references, study) for scope in SCOPES]
    without: pd.DataFrame = connection.sql(WITHOUT_FAMILY_SQL).df()
    return pd.concat([*frames, without.assign(name=named(without["name"], references["family"]))])


def _shared(connection: duckdb.DuckDBPyConnection, references: pd.DataFrame) -> pd.DataFrame:
    """Rows of shared_bytes, from one partition."""
    found: pd.DataFrame = connection.sql(SHARED_SQL).df()
    names = {
        f"{kind}_{side}": named(found[f"{kind}_{side}"], references[kind])
        for kind in ("model", "family")
        for side in "ab"
    }
    return found.assign(**names)


WITHOUT_FAMILY_SQL = """
WITH held AS (SELECT method, hi, lo, type, family, sum(n) AS n, sum(bytes_in) AS bytes_in, max(bytes) AS bytes
              FROM unit WHERE NOT derived GROUP BY ALL),
     kept AS (SELECT method, hi, lo, type, sum(n) AS n, sum(bytes_in) AS bytes_in, max(bytes) AS bytes,
                     CASE WHEN count(*) = 1 THEN any_value(family) END AS only_in
              FROM held GROUP BY ALL),
     total AS (SELECT method, sum(n) AS n, sum(bytes_in) AS bytes_in, count(*) AS kept, sum(bytes) AS bytes
               FROM kept GROUP BY ALL),
     own AS (SELECT method, family, sum(n) AS n, sum(bytes_in) AS bytes_in FROM held GROUP BY ALL),
     exclusive AS (SELECT method, only_in AS family, count(*) AS kept, sum(bytes) AS bytes
                   FROM kept WHERE only_in IS NOT NULL GROUP BY ALL),
     families AS (SELECT DISTINCT family FROM reference WHERE NOT derived)
SELECT method, 'without_family' AS scope, family AS name,
       total.n - coalesce(own.n, 0) AS n_units,
       total.kept - coalesce(exclusive.kept, 0) AS n_unique,
       total.bytes_in - coalesce(own.bytes_in, 0) AS bytes_in,
       total.bytes - coalesce(exclusive.bytes, 0) AS bytes_payload
FROM total CROSS JOIN families LEFT JOIN own USING (method, family) LEFT JOIN exclusive USING (method, family)
"""

SHARED_SQL = """
WITH held AS (SELECT method, hi, lo, type, model, any_value(family) AS family, max(bytes) AS bytes
              FROM unit GROUP BY method, hi, lo, type, model)
SELECT a.method, a.model AS model_a, b.model AS model_b,
       any_value(a.family) AS family_a, any_value(b.family) AS family_b,
       count(*) AS n_units, sum(least(a.bytes, b.bytes)) AS bytes
FROM held a JOIN held b ON a.method = b.method AND a.hi = b.hi AND a.lo = b.lo AND a.type = b.type AND a.model < b.model
GROUP BY a.method, a.model, b.model
"""

DUPLICATES_SQL = """
WITH unique_layer AS (
    SELECT min(role) AS role, dtype, count(*) AS n, max(stored) AS bytes
    FROM (SELECT *, filename AS path
          FROM read_parquet(?, filename = true, hive_partitioning = false)) JOIN reference USING (path)
    WHERE stored > 0 AND NOT derived GROUP BY hash_hi, hash_lo, dtype, shape)
SELECT role, dtype, n AS "references", count(*) AS n_unique, sum(bytes) AS bytes_unique,
       min(bytes) AS smallest, quantile_disc(bytes, 0.5) AS median, max(bytes) AS largest
FROM unique_layer GROUP BY role, dtype, n
"""


def duplicates(index: ShardIndex) -> pd.DataFrame:
    """The table `duplicates`."""
    references = index.references(MEASURE, "layers")
    if references.empty:
        return frame(DUPLICATES, [])
    with duckdb.connect() as connection:
        connection.register("reference", references)
        found: pd.DataFrame = connection.execute(DUPLICATES_SQL, [globbed(set(references["path"]))]).df()
        return found.assign(method_version=index.manifest.measures[MEASURE])
