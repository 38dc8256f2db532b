"""The shingle `parameter`: equal bits at the same place of the same tensor."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from analysis.aggregate.similarity.study import Counts, Files, Shingles, stored_sketches
from analysis.measures.equal_parameters import overlaps
from analysis.shard_index import ShardIndex

PAIRS = "equal_parameters"


def shingles(index: ShardIndex, files: Files) -> Shingles | None:
    """Known are pairs that were compared, and those without a tensor of one name and type, which share nothing."""
    sizes = _sizes(files)
    if not sizes.any():
        return None
    shared, chance = files.unpaired(), np.zeros((len(sizes), len(sizes)))
    known = np.ones(shared.shape, np.bool_)
    for a, b in overlaps(index.rows("hash_dedup", "layers")):
        if a in files.numbers and b in files.numbers:
            known[_place(files, a, b)] = False
    for row in index.group_rows(PAIRS, "equal").to_dict("records"):
        a, b = (row["model_a"], row["file_a"]), (row["model_b"], row["file_b"])
        if a in files.numbers and b in files.numbers:
            place = _place(files, a, b)
            shared[place], chance[place], known[place] = row["n_equal"], row["n_by_chance"], True
    return Shingles(
        granularity="parameter",
        shingle="parameter",
        unit="(tensor name, dtype, position in C order, bits)",
        sizes=sizes,
        signatures=stored_sketches(files, "parameter"),
        shared=shared,
        chance=chance,
        known=known,
    )


def _place(files: Files, a: tuple[str, str], b: tuple[str, str]) -> tuple[int, int]:
    first, second = sorted((files.numbers[a], files.numbers[b]))
    return first, second


def _sizes(files: Files) -> Counts:
    """Every parameter is a shingle of its own."""
    tables = [pq.read_table(folder / "sketches.parquet", columns=["n_params"]) for folder in files.folders]
    return np.array([table["n_params"][0].as_py() for table in tables], np.int64)
