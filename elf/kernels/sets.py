"""What sorted arrays have in common, of two and of many at once; sums whose order no processor changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from elf.kernels import kernel


@kernel
def n_shared(a: Any, b: Any) -> Any:
    """How many elements two sorted arrays without repeats have in common."""
    i = j = n = 0
    while i < a.size and j < b.size:
        n += a[i] == b[j]
        ahead = a[i] <= b[j]
        j += a[i] >= b[j]
        i += ahead
    return np.int64(n)


@kernel
def n_equal_draws(a: Any, b: Any) -> Any:
    """How many of all a.size * b.size pairs of an element of `a` and one of `b` are equal; both sorted; float64."""
    i = j = 0
    n = 0.0
    while i < a.size and j < b.size:
        if a[i] < b[j]:
            i += 1
        elif a[i] > b[j]:
            j += 1
        else:
            value, first_a, first_b = a[i], i, j
            while i < a.size and a[i] == value:
                i += 1
            while j < b.size and b[j] == value:
                j += 1
            n += np.float64(i - first_a) * np.float64(j - first_b)
    return n


OWNER_BITS = np.uint64(16)
"""Low bits of a key that say whose it is."""


@kernel
def count_pairs(keys: Any, shared: Any, held: Any) -> None:
    """Add to shared[i, j], int64, the number of distinct values that owners i < j both have.

    `keys`, uint64, are sorted; each is a value times 2**OWNER_BITS plus an owner, and may occur more than once.
    `held`, int64, is space for as many numbers as there are owners.
    """
    start = 0
    while start < keys.size:
        value = keys[start] >> OWNER_BITS
        n = 0
        while start < keys.size and keys[start] >> OWNER_BITS == value:
            owner = np.int64(keys[start] & ((np.uint64(1) << OWNER_BITS) - np.uint64(1)))
            if n == 0 or held[n - 1] != owner:
                held[n] = owner
                n += 1
            start += 1
        for i in range(n):
            for j in range(i + 1, n):
                shared[held[i], held[j]] += 1


@kernel
def sum_pairs(keys: Any, owners: Any, counts: Any, weights: Any, total: Any) -> None:
    """Add counts[i] * counts[j] * weight to total[i's owner, j's owner], float64, for all entries i < j of one key.

    `keys` is sorted, the owners of a key rise and each occurs once; `weights` is that of the key, at each entry.
    """
    start = 0
    while start < keys.size:
        stop = start
        while stop < keys.size and keys[stop] == keys[start]:
            stop += 1
        for i in range(start, stop):
            for j in range(i + 1, stop):
                total[owners[i], owners[j]] += counts[i] * counts[j] * weights[i]
        start = stop


@kernel
def add_finite(values: Any, centre: Any, power: Any) -> Any:
    """The sum of (value - centre) ** power over finite f64 values, power 1 or 2, and their number, both float64.

    Added one after the other, so that the sum is the same on every processor.
    """
    total, n = 0.0, 0.0
    for i in range(values.size):
        if np.isfinite(values[i]):
            distance = values[i] - centre
            total += distance * distance if power == 2 else distance
            n += 1.0
    return total, n
