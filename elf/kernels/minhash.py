"""MinHash signatures of many 64-bit hashes at once: the scheme `affine64` of datasketch 2, bit for bit.

Sources: Broder, On the resemblance and containment of documents, 1997; the scheme is that of datasketch >= 2.0.0
(`datasketch.minhash`): the hash is mixed once by the finalizer of MurmurHash3, then permutation k is a[k] * h + b[k]
modulo 2**64 with an odd a[k], and the signature holds the smallest value of each. 64 bits, because the 32 of the other
scheme are crowded by the parameters of a single model: the smallest of 20 million values is about 200, so that one in
400 places of two signatures agrees by chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.kernels import kernel

FMIX_1, FMIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio, odd: positions times it are spread and distinct
EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
"""In every place of the signature of nothing."""
BLOCK = 2048
"""Hashes that are mixed before the permutations go over them: 16 KiB stay in the first cache."""

Hashes = NDArray[np.uint64]


@kernel
def _fmix(h):  # type: ignore[no-untyped-def]
    h = (h ^ (h >> np.uint64(33))) * FMIX_1
    h = (h ^ (h >> np.uint64(33))) * FMIX_2
    return h ^ (h >> np.uint64(33))


@kernel
def _update(hashes, a, b, signature, mixed):  # type: ignore[no-untyped-def]
    for start in range(0, hashes.size, mixed.size):
        n = min(mixed.size, hashes.size - start)
        for i in range(n):
            mixed[i] = _fmix(hashes[start + i])
        for k in range(signature.size):
            factor, smallest = a[k], EMPTY
            for i in range(n):
                smallest = min(smallest, mixed[i] * factor + b[k])
            signature[k] = min(signature[k], smallest)


def update(signature: Hashes, hashes: Hashes, permutations: Hashes) -> None:
    """Take hashes, shape (n,), into a signature, shape (k,), in place.

    `permutations` has shape (2, k): factors and summands, as `datasketch.MinHash(...).permutations` has them. A
    signature starts as EMPTY in every place; hashes may come in any order, any number of times and in any pieces.
    """
    _update(hashes, permutations[0], permutations[1], signature, np.empty(BLOCK, np.uint64))


@kernel
def hash_values(patterns: Any, seed: Any, hashes: Any) -> None:
    """Hashes of elements by their bit pattern alone, within what `seed` (uint64) stands for: a dtype."""
    for i in range(patterns.size):
        hashes[i] = _fmix(seed ^ np.uint64(patterns[i]))


@kernel
def hash_placed(patterns: Any, start: Any, seed: Any, hashes: Any) -> None:
    """Hashes of elements by position and bit pattern, within what `seed` (uint64) stands for: a named tensor.

    `start` is the position of the first. At one position no two patterns have the same hash.
    """
    for i in range(patterns.size):
        place = _fmix(seed ^ (np.uint64(start + i) * GOLDEN))
        hashes[i] = _fmix(place ^ np.uint64(patterns[i]))
