"""The error that was made: values before and after, compared one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from elf.codecs.base import Values, bits_of
from elf.codecs.widths import widen
from elf.kernels import kernel

_PART = 1 << 18


@dataclass
class Errors:
    """Sums over one tensor or more. Errors of values that were or became NaN or infinite are infinite if bits changed.

    `n_zeroed` counts values that were not zero and are; `n_beyond` those further from the original than the bound.
    """

    max_abs_error: float = 0.0
    sum_sq_error: float = 0.0
    n_changed: int = 0
    n_zeroed: int = 0
    n_beyond: int = 0


def errors(before: Values, after: Values, dtype: str, bound: float) -> Errors:
    """Compare two arrays of one dtype and length; `bound` may be infinite."""
    found = Errors()
    for start in range(0, before.size, _PART):
        one, two = before[start : start + _PART], after[start : start + _PART]
        changed = bits_of(one) != bits_of(two)
        largest, squares, n_zeroed, n_beyond = _compare(widen(one, dtype), widen(two, dtype), changed, bound)
        found.max_abs_error = max(found.max_abs_error, float(largest))
        found.sum_sq_error += float(squares)
        found.n_changed += int(np.count_nonzero(changed))
        found.n_zeroed += int(n_zeroed)
        found.n_beyond += int(n_beyond)
    return found


@kernel
def _compare(before: Any, after: Any, changed: Any, bound: Any) -> Any:
    largest: Any = np.float64(0)
    squares = np.float64(0)
    n_zeroed = n_beyond = 0
    for i in range(before.size):
        if changed[i]:
            difference = abs(np.float64(before[i]) - np.float64(after[i]))
            error = np.inf if np.isnan(difference) else difference
            largest = max(largest, error)
            squares += error * error
            n_beyond += error > bound
            n_zeroed += after[i] == 0 and before[i] != 0
    return largest, squares, n_zeroed, n_beyond


def energy(values: Values, dtype: str) -> tuple[float, int]:
    """Sum of squares of the finite values, and how many values are not zero."""
    total, nonzero = 0.0, 0
    for start in range(0, values.size, _PART):
        wide = widen(values[start : start + _PART], dtype).astype(np.float64)
        squares, count = _energy(wide)
        total += float(squares)
        nonzero += int(count)
    return total, nonzero


@kernel
def _energy(values: Any) -> Any:
    total, count = np.float64(0), 0
    for i in range(values.size):
        if np.isfinite(values[i]):
            total += values[i] * values[i]
        count += values[i] != 0
    return total, count
