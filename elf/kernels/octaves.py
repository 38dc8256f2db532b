"""How large numbers are, as counts by power of two and as sums. Arrays are 1-D and contiguous."""

from __future__ import annotations

from typing import Any

import numpy as np

from elf.kernels import kernel


@kernel
def count_fields(patterns: Any, shift: Any, counts: Any) -> None:
    """Add the number of times that each value of the bits from `shift` up occurs to `counts`, int64, by that value.

    `patterns` unsigned, `shift` of their type: the width of the mantissa, so that sign and exponent are left.
    """
    for i in range(np.uint64(patterns.size)):
        counts[patterns[i] >> shift] += 1


@kernel
def count_lengths(numbers: Any, counts: Any) -> None:
    """Add the number of integers whose magnitude has so many bits to `counts`, int64, shape (2, 65): all, negative."""
    for i in range(numbers.size):
        negative = numbers[i] < 0
        size = np.uint64(-(numbers[i] + 1)) + np.uint64(1) if negative else np.uint64(numbers[i])
        length = 0
        while size:
            size >>= np.uint64(1)
            length += 1
        counts[0, length] += 1
        counts[1, length] += negative


@kernel
def sums(values: Any, weights: Any) -> tuple[Any, float, float, float, float]:
    """Over finite values, each counted `weights[i]` times: number, least, greatest, sum and sum of squares in float64.

    `weights` int64; empty: once each. In the order of the values; least and greatest of none are infinity and
    -infinity.
    """
    n, low, high = np.int64(0), np.inf, -np.inf
    total, squares = 0.0, 0.0
    for i in range(values.size):
        value = np.float64(values[i])
        weight = weights[i] if weights.size else np.int64(1)
        if not np.isfinite(value) or weight == 0:
            continue
        n += weight
        low, high = min(low, value), max(high, value)
        total += value * weight
        squares += value * value * weight
    return n, low, high, total, squares
