"""Which chunk is whose base, decided from the super-features of all chunks of a store at once.

Chunks come in the study's order. A chunk's base is the first chunk that has its first super-feature, if that comes
before it; else the first that has its second one, and so on (first fit). A base may itself be kept as a delta.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from analysis.shard_index import ShardIndex

SCOPES = ("model", "family", "study")
CHUNK = ["chunking", "hash_hi", "hash_lo"]
BASE = ["model", "file", "hash_hi", "hash_lo"]

Files = tuple[tuple[str, str], ...]


def chunks_of(index: ShardIndex) -> pd.DataFrame:
    """The distinct chunks of each original file, in the order of the study."""
    found = index.rows("chunk_features", "chunks")
    return found[~found["derived"].astype(bool)].assign(study=index.manifest.study) if len(found) else found


def stores(chunks: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(scope, name, chunks) of every store."""
    for scope in SCOPES:
        for name, rows in chunks.groupby(scope, sort=True):
            yield scope, str(name), rows


def with_bases(chunks: pd.DataFrame, method: str) -> pd.DataFrame:
    """Those distinct chunks of a store that have a base, with the base's columns behind them, named `base_...`."""
    distinct = chunks.drop_duplicates(CHUNK).reset_index(drop=True)
    place = np.arange(len(distinct))
    base = np.full(len(distinct), -1)
    for name in (name for name in distinct.columns if name.startswith(f"{method}_")):
        first = pd.Series(place).groupby([distinct["chunking"], distinct[name]]).transform("min").to_numpy()
        base = np.where((base < 0) & (first < place), first, base)
    there = base >= 0
    of_base = distinct.loc[base[there], BASE].add_prefix("base_").reset_index(drop=True)
    return pd.concat([distinct[there].reset_index(drop=True), of_base], axis=1)


def files_to_code(chunks: pd.DataFrame, methods: Sequence[str]) -> list[Files]:
    """The files, one or two, that hold a chunk and its base in any store; each once."""
    if chunks.empty:
        return []
    needed: dict[Files, None] = {}
    for method in methods:
        for _, _, held in stores(_colliding(chunks, method)):
            columns = with_bases(held, method)[["base_model", "base_file", "model", "file"]].drop_duplicates()
            for base_model, base_file, model, file in columns.itertuples(index=False, name=None):
                one, two = (base_model, base_file), (model, file)
                needed[(one,) if one == two else (one, two)] = None
    return list(needed)


def _colliding(chunks: pd.DataFrame, method: str) -> pd.DataFrame:
    """The few chunks that have a super-feature in common with another chunk of the study: the others have no base."""
    distinct = chunks.drop_duplicates(CHUNK)
    names = [name for name in distinct.columns if name.startswith(f"{method}_")]
    twice = np.logical_or.reduce([distinct.duplicated(["chunking", name], keep=False) for name in names])
    return chunks[chunks["hash_lo"].isin(distinct.loc[twice, "hash_lo"])]
