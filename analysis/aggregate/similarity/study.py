"""The files that are compared, and what is known of one kind of shingle in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.shard_index import ShardIndex
from analysis.similarity.sketches import DATASKETCH, Kind, Signature

MEASURE = "similarity"
EXACT_FILES = 128
"""Files up to which the values of all pairs are counted; of a larger study, the files of the likeliest pairs."""

Matrix = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Files:
    """The original files with sketches, sorted by name (model/file); `folders` holds those of their shards."""

    names: list[str]
    families: list[str]
    numbers: dict[tuple[str, str], int]
    folders: list[Path]
    kind: Kind
    version: int

    def unpaired(self) -> Counts:
        """Zeros for each pair of files."""
        return np.zeros((len(self.names), len(self.names)), np.int64)


@dataclass(frozen=True)
class Shingles:
    """One kind of shingle: how many each file has, sketches of them, how many each pair shares.

    Matrices have shape (n, n) and are filled for i < j. `known` says whose `shared` and `chance` were counted; `chance`
    is the number expected to be shared with a stand-in of the second file.
    """

    granularity: str
    shingle: str
    unit: str
    sizes: Counts
    signatures: dict[str, NDArray[np.uint64]]
    shared: Counts
    chance: Matrix
    known: NDArray[np.bool_]
    n_bytes: Counts | None = None
    shared_bytes: Counts | None = None

    def pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """All pairs i < j of files that both have such shingles."""
        there = np.flatnonzero(self.sizes > 0)
        first, second = np.triu_indices(there.size, 1)
        return there[first], there[second]

    def exact(self) -> Matrix:
        """Exact Jaccard similarities, NaN where unknown."""
        return np.where(self.known, jaccard(self.shared, self.sizes), np.nan)

    def null(self) -> Matrix:
        """Jaccard similarities with a stand-in, NaN where unknown."""
        return np.where(self.known, jaccard(self.chance, self.sizes), np.nan)

    def weighted(self) -> Matrix | None:
        """Exact Jaccard similarities by bytes, for shingles that have bytes."""
        if self.n_bytes is None or self.shared_bytes is None:
            return None
        return jaccard(self.shared_bytes, self.n_bytes)


def jaccard(shared: Counts | Matrix, sizes: Counts) -> Matrix:
    """Shared over all, for all pairs; 0 where there is nothing."""
    union = sizes[:, None] + sizes[None, :] - shared
    return np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)


def files_of(index: ShardIndex) -> Files | None:
    """The files to compare; None when none has sketches."""
    found = {
        f"{model.model}/{file.file}": (model, file, folder)
        for model, file, folder in index.measured(MEASURE)
        if not model.derived
    }
    if not found:
        return None
    names = sorted(found)
    sketch = pq.read_table(found[names[0]][2] / "sketches.parquet").to_pylist()[0]
    return Files(
        names=names,
        families=[found[name][0].family for name in names],
        numbers={(found[name][0].model, found[name][1].file): i for i, name in enumerate(names)},
        folders=[found[name][2] for name in names],
        kind=Kind(len(sketch["signature"]), sketch["seed"]),
        version=index.manifest.measures[MEASURE],
    )


def stored_sketches(files: Files, shingle: str) -> dict[str, Signature]:
    """The signatures of a shingle that the measure made, by method, shape (files, permutations)."""
    made: dict[str, list[Signature]] = {}
    for folder in files.folders:
        for row in pq.read_table(folder / "sketches.parquet", filters=[("shingle", "=", shingle)]).to_pylist():
            made.setdefault(row["method"], []).append(np.array(row["signature"], np.uint64))
    return {method: np.stack(signatures) for method, signatures in made.items()}


def likeliest(files: Files, signatures: dict[str, Signature]) -> NDArray[np.intp]:
    """At most EXACT_FILES files: all, or in a larger study those of the pairs that datasketch finds most alike."""
    from analysis.similarity.sketches import estimates

    n = len(files.names)
    if n <= EXACT_FILES:
        return np.arange(n)
    estimated = np.triu(estimates(signatures[DATASKETCH]), 1)
    order = np.argsort(-estimated, axis=None, kind="stable")
    chosen: dict[int, None] = {}
    for place in order:
        pair = divmod(int(place), n)
        if len(chosen) + len({*pair} - chosen.keys()) > EXACT_FILES:
            break
        chosen |= dict.fromkeys(pair)
    return np.array(sorted(chosen), np.intp)
