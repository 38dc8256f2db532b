"""Features of chunks that resemble each other when most of their windows do.

Of each window of 64 bytes the gear hash h (elf.kernels.gear) gives N numbers (M[i] * h + A[i]) modulo 2**64; feature i
of a chunk is the largest of its i-th numbers. Two chunks have the same feature with the probability that a window of
either is in both (Broder, 1997).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.kernels import kernel
from elf.kernels.gear import TABLE, WINDOW

FEATURES = 12
"""Features a chunk, as in Shilane et al., WAN Optimized Replication of Backup Datasets, FAST 2012."""

_STEPS = (np.arange(2 * FEATURES, dtype=np.uint64) + np.uint64(257)) * np.uint64(0x9E3779B97F4A7C15)
_MIXED = (_STEPS ^ (_STEPS >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
MULTIPLIERS = _MIXED[:FEATURES] | np.uint64(1)
ADDENDS = _MIXED[FEATURES:]


@kernel
def _features(data, starts, lengths, table, multipliers, addends, limit, out):  # type: ignore[no-untyped-def]
    """Fill `out` (chunks, features) with the largest numbers over the windows whose hash is at most `limit`.

    A chunk without such a window is described by the hash of its last bytes.
    """
    n = multipliers.size
    largest = np.empty(n, np.uint64)
    for c in range(starts.size):
        largest[:] = np.uint64(0)
        h = np.uint64(0)
        found = False
        for i in range(lengths[c]):
            h = (h << np.uint64(1)) + table[data[starts[c] + i]]
            if i + 1 >= WINDOW and h <= limit:
                found = True
                for k in range(n):
                    number = multipliers[k] * h + addends[k]
                    largest[k] = max(largest[k], number)
        if not found:
            for k in range(n):
                largest[k] = multipliers[k] * h + addends[k]
        out[c, :] = largest


def features(
    data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64], sampled_bits: int
) -> NDArray[np.uint64]:
    """The features of each chunk data[start : start + length]: uint64 (chunks, FEATURES).

    Only windows whose hash has its top `sampled_bits` bits zero are looked at: all of them for 0 bits.
    """
    out = np.empty((starts.size, FEATURES), np.uint64)
    limit = np.uint64((1 << (64 - sampled_bits)) - 1)
    _features(data, starts, lengths, TABLE, MULTIPLIERS, ADDENDS, limit, out)
    return out


def super_features(found: NDArray[np.uint64], count: int) -> NDArray[np.uint64]:
    """`count` super-features of each row of features: a mixed sum of FEATURES / count of them each; (chunks, count)."""
    grouped: Any = found.reshape(found.shape[0], count, -1)
    mixed = np.zeros(grouped.shape[:2], np.uint64)
    for i in range(grouped.shape[2]):
        mixed = (mixed ^ grouped[:, :, i]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    return mixed
