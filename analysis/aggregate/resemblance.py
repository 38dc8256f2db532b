"""Stores of chunks with and without deltas between similar ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.aggregate.hash_dedup import INDEX_BYTES, REFERENCE_BYTES
from analysis.relatives.similar import CHUNK, chunks_of, stores, with_bases
from analysis.shard_index import ShardIndex
from analysis.tables import frame
from analysis.tables.relatives import RESEMBLANCE

MEASURE = "resemblance"
NONE = "none"
FEATURE_BYTES = 3 * 8
DELTA = ["method", *CHUNK, "base_hash_hi", "base_hash_lo"]


def tables(index: ShardIndex, _: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The table `resemblance`."""
    chunks = chunks_of(index)
    if chunks.empty or MEASURE not in index.manifest.measures:
        return {"resemblance": frame(RESEMBLANCE, [])}
    version = index.manifest.measures[MEASURE]
    deltas = _deltas(index)
    methods = sorted({name.rpartition("_")[0] for name in chunks.columns if name.endswith("_0")})
    taken = [method for method in methods if chunks[f"{method}_0"].notna().all()]
    rows = [
        {"scope": scope, "name": name, **row, "method_version": version}
        for scope, name, held in stores(chunks)
        for row in _rows(held, deltas, taken)
    ]
    return {"resemblance": frame(RESEMBLANCE, rows)}


def _deltas(index: ShardIndex) -> pd.DataFrame:
    found = index.group_rows(MEASURE, "deltas").rename(columns={"base_hi": "base_hash_hi", "base_lo": "base_hash_lo"})
    if found.empty:
        return pd.DataFrame(columns=pd.Index([*DELTA, "bytes_out"]))
    return found[[*DELTA, "bytes_out"]].drop_duplicates(DELTA)


def _rows(held: pd.DataFrame, deltas: pd.DataFrame, methods: list[str]) -> Iterator[dict[str, Any]]:
    distinct = held.drop_duplicates(CHUNK)
    for chunking, chunks in held.groupby("chunking", sort=True):
        own = distinct[distinct["chunking"] == chunking]
        row = {
            "chunking": chunking,
            "n_chunks": int(chunks["count"].sum()),
            "n_unique": len(own),
            "bytes_in": int((chunks["count"] * chunks["length"]).sum()),
            "bytes_unique": int(own["length"].sum()),
            "bytes_index": INDEX_BYTES * len(own),
        }
        yield {**row, **_kept(row, int(own["alone"].sum()), 0, 0), "method": NONE, "bytes_features": 0}
        for method in methods:
            similar = _coded(with_bases(chunks, method), deltas, method)
            worth = similar[similar["bytes_out"] + REFERENCE_BYTES < similar["alone"]]
            payload = int(own["alone"].sum() - (worth["alone"] - worth["bytes_out"]).sum())
            kept = _kept(row, payload, len(similar), len(worth))
            yield {**row, **kept, "method": method, "bytes_features": FEATURE_BYTES * len(own)}


def _coded(similar: pd.DataFrame, deltas: pd.DataFrame, method: str) -> pd.DataFrame:
    """Similar chunks with their delta's bytes; one that was not measured has none, and is worth nothing."""
    mine = deltas[deltas["method"] == method]
    joined: pd.DataFrame = similar.merge(mine, on=DELTA[1:], how="left")
    return joined


def _kept(row: dict[str, Any], payload: int, n_similar: int, n_deltas: int) -> dict[str, int]:
    recipe = REFERENCE_BYTES * (row["n_chunks"] + n_deltas)
    return {"n_similar": n_similar, "n_deltas": n_deltas, "bytes_payload": payload, "bytes_recipe": recipe}
