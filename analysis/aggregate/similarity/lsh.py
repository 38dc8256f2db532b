"""Candidate pairs by locality-sensitive hashing, and what it misses of the exact answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from datasketch import MinHashLSH
from numpy.typing import NDArray

from analysis.aggregate.similarity.study import Matrix, Shingles
from analysis.similarity.sketches import DATASKETCH, Kind

THRESHOLDS = (0.05, 0.2, 0.5, 0.8)

Pairs = NDArray[np.bool_]
Proposals = dict[float, tuple[int, int, Pairs]]
"""For each threshold: bands, rows of a band, and the pairs i < j that LSH proposes."""


def proposals(kind: Kind, sets: Shingles) -> Proposals:
    """What LSH proposes at each threshold, of files that have such shingles."""
    return {threshold: _proposed(kind, sets, threshold) for threshold in THRESHOLDS}


def _proposed(kind: Kind, sets: Shingles, threshold: float) -> tuple[int, int, Pairs]:
    bands, rows = _bands(threshold, kind.permutations)
    index = MinHashLSH(num_perm=kind.permutations, params=(bands, rows))
    found = np.zeros((sets.sizes.size, sets.sizes.size), np.bool_)
    for i in np.flatnonzero(sets.sizes > 0):
        sketch = kind.reference(sets.signatures[DATASKETCH][i])
        found[[*index.query(sketch)], i] = True  # those before it: each pair is asked for once
        index.insert(int(i), sketch)
    return bands, rows, found


@lru_cache
def _bands(threshold: float, permutations: int) -> tuple[int, int]:
    """How datasketch cuts signatures for a threshold: false positives and negatives weigh the same."""
    index = MinHashLSH(threshold=threshold, num_perm=permutations)
    return int(index.b), int(index.r)


def highest(proposed: Proposals, n_files: int) -> Matrix:
    """For each pair the highest threshold at which it is proposed, NaN when it never is."""
    found = np.full((n_files, n_files), np.nan)
    for threshold, (_, _, pairs) in sorted(proposed.items()):
        found[pairs] = threshold
    return found


def recall(sets: Shingles, proposed: Proposals) -> Iterator[dict[str, object]]:
    """Rows of `lsh`."""
    first, second = sets.pairs()
    exact, known = sets.exact()[first, second], sets.known[first, second]
    for threshold, (bands, rows, pairs) in proposed.items():
        candidates, above = pairs[first, second], known & (exact >= threshold)
        yield {
            "shingle": sets.shingle,
            "threshold": threshold,
            "bands": bands,
            "rows": rows,
            "n_files": int(np.count_nonzero(sets.sizes)),
            "n_pairs": first.size,
            "n_candidates": int(candidates.sum()),
            "n_known": int(known.sum()),
            "n_exact_above": int(above.sum()),
            "n_found": int((above & candidates).sum()),
        }
