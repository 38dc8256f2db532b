"""Floats from one width to another: bf16, which NumPy lacks, and conversions that say nothing about overflow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elf.codecs.base import Values


def widen(values: Values, dtype: str) -> NDArray[np.float32] | NDArray[np.float64]:
    """f16, bf16 and f32 as float32, f64 as itself: exact."""
    if dtype == "bf16":
        return (values.astype("<u4") << np.uint32(16)).view("<f4")
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return values.astype("<f4") if dtype == "f16" else values


def narrow(values: NDArray[np.float32] | NDArray[np.float64], dtype: str) -> Values:
    """Values as `dtype`, rounded to nearest, ties to even. A NaN may lose its payload, but stays a NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype != "bf16":
            return values.astype({"f16": "<f2", "f32": "<f4", "f64": "<f8"}[dtype], copy=False)
        bits = values.astype("<f4", copy=False).view("<u4")
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(values), bits >> np.uint32(16) | np.uint32(0x40), rounded).astype("<u2")
