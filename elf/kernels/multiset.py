"""A hash of the values of an array that does not depend on their order: the sum of their mixed bit patterns.

Equal multisets have equal sums; different ones have equal sums with a chance of about 2**-64 unless somebody looked for
them, so that whoever needs to be sure compares the values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.kernels import kernel


@kernel
def _sum_mixed(patterns):  # type: ignore[no-untyped-def]
    """The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) of pattern + 1 steps, summed modulo 2**64."""
    total = np.uint64(0)
    for i in range(patterns.size):
        z = (np.uint64(patterns[i]) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        total += z ^ (z >> np.uint64(31))
    return total


def multiset_hash(patterns: NDArray[Any]) -> int:
    """A 64-bit hash of the multiset of `patterns`: unsigned integers, (n,), contiguous."""
    return int(_sum_mixed(patterns))
