"""The shingle `value`: which bit patterns of which dtype occur in a file, wherever.

Counted range by range of the patterns, from the sorted distinct values of each file, so that memory is bounded by a
range. The null keeps of each value the high half of its bits and the number of its trailing zeros (sign, exponent and
leading digits; and how round it is) and draws the rest anew. Two files with n and m values in a class of s patterns
then share n m / s of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.aggregate.hash_dedup import MEASURE as DEDUP
from analysis.aggregate.parameters import ranges
from analysis.aggregate.similarity.study import Counts, Files, Matrix, Shingles, likeliest, stored_sketches
from analysis.shard_index import ShardIndex
from analysis.shards import VALUES_OF
from elf.kernels.distinct import distinct_in_place
from elf.kernels.sets import OWNER_BITS, count_pairs, sum_pairs
from elf.tensor import DTYPES

Owned = tuple[int, Path]
"""The number of a file, and where its values of a dtype are."""
Classes = tuple[NDArray[np.uint64], NDArray[np.int64]]
"""Classes of values, sorted, and how many distinct values are in each."""


def shingles(index: ShardIndex, files: Files) -> Shingles | None:
    """In a study of more than EXACT_FILES files, only pairs of the likeliest files are known."""
    signatures = stored_sketches(files, "value")
    chosen = {int(i) for i in likeliest(files, signatures)}
    total = _Total(len(files.names))
    for dtype in _dtypes(index):
        total.add(dtype, list(_owned(index, files, dtype)), chosen)
    if not total.sizes.any():
        return None
    among = np.isin(np.arange(len(files.names)), sorted(chosen))
    return Shingles(
        granularity="parameter",
        shingle="value",
        unit="(dtype, bits)",
        sizes=total.sizes,
        signatures=signatures,
        shared=total.shared,
        chance=total.chance,
        known=among[:, None] & among[None, :],
    )


def _dtypes(index: ShardIndex) -> list[str]:
    names = {table for _, _, folder in index.measured(DEDUP) for table in index.tables(folder)}
    return sorted(name.removeprefix(VALUES_OF) for name in names if name.startswith(VALUES_OF))


def _owned(index: ShardIndex, files: Files, dtype: str) -> Iterator[Owned]:
    for model, file, folder in index.measured(DEDUP):
        if (model.model, file.file) in files.numbers and VALUES_OF + dtype in index.tables(folder):
            yield files.numbers[model.model, file.file], folder / f"{VALUES_OF}{dtype}.parquet"


class _Total:
    """What was counted so far, over all dtypes."""

    def __init__(self, n_files: int) -> None:
        self.sizes: Counts = np.zeros(n_files, np.int64)
        self.shared: Counts = np.zeros((n_files, n_files), np.int64)
        self.chance: Matrix = np.zeros((n_files, n_files))

    def add(self, dtype: str, owned: list[Owned], chosen: set[int]) -> None:
        """Count the values of one dtype."""
        classes: dict[int, list[Classes]] = {}
        for low, high in ranges(path for _, path in owned):
            held = [(owner, _read(path, dtype, low, high)) for owner, path in sorted(owned)]
            for owner, values in held:
                self.sizes[owner] += values.size
                if owner in chosen and values.size:
                    classes.setdefault(owner, []).append(_classes(values, dtype))
            _count([(owner, values) for owner, values in held if owner in chosen], self.shared)
        _expect({owner: _merged(found) for owner, found in classes.items()}, dtype, self.chance)


def _read(path: Path, dtype: str, low: int, high: int) -> NDArray[Any]:
    """The distinct values of a file in [low, high), sorted; row groups that hold none of them are not read."""
    column = pc.field("value")
    wanted = (column >= pa.scalar(low, pa.uint64())) & (column <= pa.scalar(high - 1, pa.uint64()))
    patterns = pq.read_table(path, filters=wanted)["value"].to_numpy()
    return distinct_in_place(patterns.astype(f"<u{DTYPES[dtype].block_bytes}"))


def _count(held: list[tuple[int, NDArray[Any]]], shared: Counts) -> None:
    """Add how many values each pair of owners has in common."""
    if held:
        keys = _keys(held)
        keys.sort()
        count_pairs(keys, shared, np.empty(len(shared), np.int64))


def _keys(held: list[tuple[int, NDArray[Any]]]) -> NDArray[np.uint64]:
    """Values and owners in one number each; 64-bit values are numbered in order first, since no room is left."""
    if held[0][1].itemsize == 8:
        _, ranks = np.unique(np.concatenate([values for _, values in held]), return_inverse=True)
        ends = np.cumsum([values.size for _, values in held])
        held = [(owner, part) for (owner, _), part in zip(held, np.split(ranks, ends[:-1]), strict=True)]
    keys, start = np.empty(sum(values.size for _, values in held), np.uint64), 0
    for owner, values in held:
        np.left_shift(values, OWNER_BITS, out=keys[start : start + values.size], dtype=np.uint64, casting="unsafe")
        keys[start : start + values.size] |= np.uint64(owner)
        start += values.size
    return keys


def _classes(values: NDArray[Any], dtype: str) -> Classes:
    """The classes of sorted distinct values: high half of the bits, then trailing zeros of the low half."""
    half = np.uint64(4 * DTYPES[dtype].block_bytes)
    wide = values.astype(np.uint64)
    low = wide & ((np.uint64(1) << half) - np.uint64(1))
    zeros = np.minimum(np.bitwise_count((low & (~low + np.uint64(1))) - np.uint64(1)), half).astype(np.uint64)
    keys, counts = np.unique((wide >> half) * (half + np.uint64(1)) + zeros, return_counts=True)
    return keys, counts.astype(np.int64)


def _merged(found: list[Classes]) -> Classes:
    """A class that two ranges cut has entries in both."""
    keys, places = np.unique(np.concatenate([keys for keys, _ in found]), return_inverse=True)
    counts = np.zeros(keys.size, np.int64)
    np.add.at(counts, places, np.concatenate([counts for _, counts in found]))
    return keys, counts


def _expect(classes: dict[int, Classes], dtype: str, chance: Matrix) -> None:
    """Add how many values each pair of owners would share by chance."""
    if not classes:
        return
    half = 4 * DTYPES[dtype].block_bytes
    keys = np.concatenate([keys for keys, _ in classes.values()])
    counts = np.concatenate([counts for _, counts in classes.values()]).astype(np.float64)
    owners = np.repeat(np.array(list(classes), np.int32), [keys.size for keys, _ in classes.values()])
    order = np.lexsort((owners, keys))
    zeros = (keys % np.uint64(half + 1)).astype(np.int64)
    weights = np.ldexp(1.0, -np.maximum(half - 1 - zeros, 0))  # one over the number of patterns of the class
    sum_pairs(keys[order], owners[order], counts[order], weights[order], chance)
