"""Sums of squares in an order that is the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from elf.kernels import kernel


@kernel
def sum_of_squares(values: Any) -> Any:
    """Of floats as float64, in eight sums side by side, which are added at the end; NaN when one of them is."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float64(0)
    whole = values.size - values.size % 8
    for i in range(0, whole, 8):
        s0 += np.float64(values[i]) * np.float64(values[i])
        s1 += np.float64(values[i + 1]) * np.float64(values[i + 1])
        s2 += np.float64(values[i + 2]) * np.float64(values[i + 2])
        s3 += np.float64(values[i + 3]) * np.float64(values[i + 3])
        s4 += np.float64(values[i + 4]) * np.float64(values[i + 4])
        s5 += np.float64(values[i + 5]) * np.float64(values[i + 5])
        s6 += np.float64(values[i + 6]) * np.float64(values[i + 6])
        s7 += np.float64(values[i + 7]) * np.float64(values[i + 7])
    for i in range(whole, values.size):
        s0 += np.float64(values[i]) * np.float64(values[i])
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
