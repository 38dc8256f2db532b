"""Similarity of all pairs of files: sketches beside the exact answer and a null, what LSH finds, what kinship it tells.

The exact answer comes from what hash deduplication kept of each file (chunks, layers, distinct values) and from the
pairs of files that `equal_parameters` compared. Derived models are left out: they resemble what they were made from.
"""

from __future__ import annotations

import pandas as pd

from analysis.aggregate.similarity import hashes, kinship, lsh, parameters, rows, values
from analysis.aggregate.similarity.study import MEASURE, Files, Shingles, files_of
from analysis.shard_index import ShardIndex
from analysis.tables import frame
from analysis.tables.similarity import KINSHIP, LSH, NOISE, SIMILARITY

SHINGLES = (hashes.chunks, hashes.layers, parameters.shingles, values.shingles)


def tables(index: ShardIndex, made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables `similarity`, `kinship`, `lsh` and `value_noise`; empty when the study does not ask for them."""
    del made
    files = files_of(index)
    if files is None:
        return {table.name: frame(table, []) for table in (SIMILARITY, KINSHIP, LSH, NOISE)}
    relations = kinship.relations(index, files)
    found: dict[str, list[pd.DataFrame]] = {"similarity": [], "kinship": [], "lsh": []}
    for make in SHINGLES:
        made_of = make(index, files)
        if made_of is not None:
            _add(found, files, relations, made_of)
    return {
        "similarity": _all(found["similarity"], frame(SIMILARITY, [])),
        "kinship": _all(found["kinship"], frame(KINSHIP, [])),
        "lsh": _all(found["lsh"], frame(LSH, [])),
        "value_noise": noise(index, files),
    }


def _add(found: dict[str, list[pd.DataFrame]], files: Files, relations: kinship.Relations, sets: Shingles) -> None:
    version = files.version
    proposed = lsh.proposals(files.kind, sets)
    found["similarity"].append(rows.rows(files, relations, sets, lsh.highest(proposed, len(files.names))))
    found["kinship"].append(pd.DataFrame(kinship.scores(relations, sets)).assign(method_version=version))
    found["lsh"].append(pd.DataFrame(lsh.recall(sets, proposed)).assign(method_version=version))


def _all(frames: list[pd.DataFrame], empty: pd.DataFrame) -> pd.DataFrame:
    full = [data for data in frames if len(data)]
    return pd.concat(full, ignore_index=True) if full else empty


def noise(index: ShardIndex, files: Files) -> pd.DataFrame:
    """The table `value_noise`."""
    found = index.rows(MEASURE, "noise")
    if found.empty:
        return frame(NOISE, [])
    found = found[~found["derived"].astype(bool)]
    return found.assign(file=found["model"] + "/" + found["file"], seed=files.kind.seed, method_version=files.version)[
        [column.name for column in NOISE.columns]
    ]
