"""Shingles that are hashes of bytes: chunks and layers, from the shards of hash deduplication."""

from __future__ import annotations

import re
import tempfile

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.aggregate.hash_dedup import CONFIG, globbed
from analysis.aggregate.hash_dedup import MEASURE as DEDUP
from analysis.aggregate.similarity.study import Counts, Files, Shingles
from analysis.shard_index import ShardIndex
from analysis.similarity.sketches import Sketch

UNITS = {
    "chunk": "SELECT path, hash_hi AS hi, hash_lo AS lo, length::BIGINT AS bytes, false AS one FROM shard "
    "WHERE method = $method AND anchor = 'file'",
    "layer": "SELECT path, hash_hi AS hi, hash_lo AS lo, bytes, coalesce(n_distinct = 1, false) AS one FROM shard "
    "WHERE stored > 0 AND $method = 'untyped'",
}
"""For each shingle its occurrences: hash, bytes, and whether all that it holds is one value, repeated."""

UNIT_SQL = """
CREATE TABLE unit AS
WITH shard AS (SELECT *, filename AS path FROM read_parquet($paths, filename = true, hive_partitioning = false)),
     read AS ({select})
SELECT file::INTEGER AS file, hi, lo, max(bytes)::BIGINT AS bytes, bool_or(one) AS one
FROM read JOIN reference USING (path) GROUP BY ALL
"""

SHARED_SQL = """
SELECT a.file AS i, b.file AS j, count(*) AS n, sum(a.bytes)::BIGINT AS bytes, count(*) FILTER (a.one) AS chance
FROM unit a JOIN unit b ON a.hi = b.hi AND a.lo = b.lo AND a.file < b.file GROUP BY ALL
"""


def chunks(index: ShardIndex, files: Files) -> Shingles | None:
    """Content-defined chunks, cut from the start of the file, of the smallest average size that the study has."""
    method = _smallest(index)
    return _shingles(index, files, "chunk", method, f"xxh3-128 of {method} @ file") if method else None


def _smallest(index: ShardIndex) -> str | None:
    """The chunking rule: the smallest FastCDC, else Xet's."""
    paths = globbed(set(index.references(DEDUP, "chunks")["path"]))
    if not paths:
        return None
    with duckdb.connect() as connection:
        found = connection.execute("SELECT DISTINCT method FROM read_parquet(?)", [paths]).fetchall()
    methods = {str(method) for (method,) in found}
    sizes = {int(size.group(1)): method for method in methods if (size := re.fullmatch(r"fastcdc-(\d+)", method))}
    return sizes[min(sizes)] if sizes else ("xet" if "xet" in methods else None)


def layers(index: ShardIndex, files: Files) -> Shingles | None:
    """Tensors with bytes of their own, by these bytes alone."""
    return _shingles(index, files, "layer", "untyped", "xxh3-128 of the tensor's decoded bytes")


def _shingles(index: ShardIndex, files: Files, shingle: str, method: str, unit: str) -> Shingles | None:
    references = _references(index, files, f"{shingle}s")
    if references.empty:
        return None
    given = {"paths": globbed(set(references["path"])), "method": method}
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config=CONFIG | {"temp_directory": spill}) as connection,
    ):
        connection.register("reference", references)
        connection.execute(UNIT_SQL.format(select=UNITS[shingle]), given)
        sizes = connection.execute(
            "SELECT file, count(*) AS n, sum(bytes)::BIGINT AS bytes FROM unit GROUP BY file"
        ).df()
        shared = connection.execute(SHARED_SQL).df()
        return Shingles(
            granularity=shingle,
            shingle=shingle,
            unit=unit,
            sizes=_spread(sizes, "n", len(files.names)),
            signatures=_signatures(connection, files),
            shared=_matrix(files, shared, "n"),
            chance=_matrix(files, shared, "chance").astype(np.float64),
            known=np.ones((len(files.names), len(files.names)), np.bool_),
            n_bytes=_spread(sizes, "bytes", len(files.names)),
            shared_bytes=_matrix(files, shared, "bytes"),
        )


def _references(index: ShardIndex, files: Files, table: str) -> pd.DataFrame:
    """Path of a shard's table and number of a file that it is of; files of equal bytes have one shard."""
    rows = [
        (str(folder / f"{table}.parquet"), files.numbers[model.model, file.file])
        for model, file, folder in index.measured(DEDUP)
        if (model.model, file.file) in files.numbers and table in index.tables(folder)
    ]
    return pd.DataFrame(rows, columns=pd.Index(["path", "file"]))


def _spread(sizes: pd.DataFrame, column: str, n_files: int) -> Counts:
    found = np.zeros(n_files, np.int64)
    found[sizes["file"].to_numpy()] = sizes[column].to_numpy(np.int64)
    return found


def _matrix(files: Files, shared: pd.DataFrame, column: str) -> Counts:
    found = files.unpaired()
    found[shared["i"].to_numpy(), shared["j"].to_numpy()] = shared[column].to_numpy(np.int64)
    return found


def _signatures(connection: duckdb.DuckDBPyConnection, files: Files) -> dict[str, NDArray[np.uint64]]:
    """Sketches of the low halves of the hashes, file by file."""
    sketches = [Sketch(files.kind) for _ in files.names]
    for i, sketch in enumerate(sketches):
        found = connection.execute("SELECT lo FROM unit WHERE file = ?", [i]).fetchnumpy()["lo"]
        sketch.add(np.asarray(found, np.uint64))
    made = [sketch.signatures() for sketch in sketches]
    return {method: np.stack([one[method] for one in made]) for method in made[0]}
