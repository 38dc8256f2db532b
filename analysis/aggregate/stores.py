"""Deduplicating stores over a whole study, whatever their units are: grouped partition by partition, in bounded memory.

Identities are partitioned by the top bits of the hash and each partition is grouped on its own, so that memory is
bounded by a partition, not by the study; inside SQL everything is a number, names are put back afterwards.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterable, Iterator

import duckdb
import pandas as pd
import pyarrow.parquet as pq

REFERENCE_BYTES = 20
"""A recipe's entry: 16 bytes of hash, 4 of length."""
INDEX_BYTES = 64
"""An index's entry for a unit that is kept."""
PARTITION_ROWS = 4_000_000
"""Rows of shards in a partition: every partition reads all shards once, so it is not as small as could be."""
CONFIG: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "1GB", "preserve_insertion_order": False}

SUMS = ["n_units", "n_unique", "bytes_in", "bytes_payload"]


def partitions(references: pd.DataFrame, select: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with table `unit` (one row per identity and file) for each partition of the identities.

    `select` reads units from `shard`: method, hi, lo, type (identities of different types differ), bytes, kept (what
    a store keeps of the unit, at most: where that differs among equal units the most counts), n and path.
    """
    paths = sorted(set(references["path"]))
    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    bits = max(0, math.ceil(math.log2(max(1, rows) / PARTITION_ROWS)))
    for partition in range(1 << bits if paths else 0):
        with (
            tempfile.TemporaryDirectory() as spill,
            duckdb.connect(config=CONFIG | {"temp_directory": spill}) as connection,
        ):
            connection.register("reference", numbered(references))
            where = f"hash_hi >> {64 - bits} = {partition}" if bits else "true"
            connection.execute(UNIT_SQL.format(where=where, select=select), [globbed(paths)])
            yield connection


def globbed(paths: Iterable[str]) -> list[str]:
    """Paths as patterns that match these files alone: SQL would take the signs in a folder's name for a pattern."""
    return [re.sub(r"([*?\[])", r"[\1]", path) for path in sorted(paths)]


def numbered(references: pd.DataFrame) -> pd.DataFrame:
    """References with numbers for names: the place of the name among all names of its kind, in order."""
    numbers = {kind: pd.factorize(references[kind], sort=True)[0] for kind in ("file", "model", "family")}
    return references.assign(**numbers)


UNIT_SQL = """
CREATE TABLE unit AS
WITH shard AS (SELECT *, filename AS path
          FROM read_parquet(?, filename = true, hive_partitioning = false) WHERE {where}),
     read AS ({select})
SELECT method, hi, lo, type::UBIGINT AS type, file::INTEGER AS file, model::INTEGER AS model,
       family::INTEGER AS family, derived, sum(n)::BIGINT AS n, sum(n * bytes)::BIGINT AS bytes_in,
       max(kept)::BIGINT AS bytes
FROM read JOIN reference USING (path) GROUP BY ALL
"""


def summed(frames: list[pd.DataFrame], key: tuple[str, ...], sums: list[str]) -> pd.DataFrame:
    """Partitions share no identity, so what each counted adds up."""
    full = [frame for frame in frames if len(frame)]
    if not full:
        return pd.DataFrame(columns=pd.Index([*key, *sums]))
    return pd.concat(full).groupby(list(key), as_index=False)[sums].sum()


def costed(stores: pd.DataFrame, version: int) -> pd.DataFrame:
    """Stores with the bytes of their recipes and indexes."""
    return stores.assign(
        bytes_recipe=stores["n_units"] * REFERENCE_BYTES,
        bytes_index=stores["n_unique"] * INDEX_BYTES,
        method_version=version,
    )


def in_scope(connection: duckdb.DuckDBPyConnection, scope: str, references: pd.DataFrame, study: str) -> pd.DataFrame:
    """What stores of one scope (file, model, family, study) keep of one partition: method, scope, name and SUMS.

    A derived model stands for itself but counts in no family and not in the study.
    """
    owner = "0" if scope == "study" else scope
    originals = "NOT derived" if scope in {"family", "study"} else "true"
    found: pd.DataFrame = connection.sql(
        f"""SELECT method, '{scope}' AS scope, name,
                   sum(n) AS n_units, count(*) AS n_unique, sum(bytes_in) AS bytes_in, sum(bytes) AS bytes_payload
        FROM (SELECT method, {owner} AS name, hi, lo, type, sum(n) AS n, sum(bytes_in) AS bytes_in, max(bytes) AS bytes
              FROM unit WHERE {originals} GROUP BY ALL)
        GROUP BY ALL"""
    ).df()
    return found.assign(name=study if scope == "study" else named(found["name"], references[scope]))


def named(numbers: pd.Series, names: pd.Series) -> pd.Series:
    """The names that `numbered` gave numbers to."""
    return numbers.map(dict(enumerate(sorted(set(names)))))
