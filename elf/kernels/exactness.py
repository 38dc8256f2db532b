"""Counts over the bit patterns of f32 and f64 elements: zeros, the unit interval, and what shorter floats hold exactly.

The kernels work on unsigned integers, so that NaN payloads and the sign of zero are seen and nothing is rounded. A
shorter float with m bits of significand holds a value when the bits beyond m are zero; below its smallest normal
exponent, one bit less for each exponent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.kernels import kernel

COUNTED = ("n_zero", "n_negative_zero", "n_in_unit_interval", "n_nonfinite", "n_f16_exact", "n_bf16_exact")
"""What is counted, in this order. NaN and infinities count as held exactly by f16 and bf16."""


@kernel
def _count_f32(patterns):  # type: ignore[no-untyped-def]
    n_zero = n_negative = n_unit = n_beyond = n_f16 = n_bf16 = 0
    for i in range(np.uint64(patterns.size)):
        size = np.uint32(patterns[i] & np.uint32(0x7FFFFFFF))
        zero, beyond = size == np.uint32(0), size >= np.uint32(0x7F800000)
        lost = np.uint32(min(max(np.int32(126) - np.int32(size >> np.uint32(23)), np.int32(13)), np.int32(23)))
        in_f16 = (size >= np.uint32(0x33800000)) & (size <= np.uint32(0x477FE000))  # 2**-24 to 65504
        in_f16 &= np.uint32(size << (np.uint32(32) - lost)) == np.uint32(0)
        n_zero += zero
        n_negative += patterns[i] == np.uint32(0x80000000)
        n_unit += size < np.uint32(0x3F800000)
        n_beyond += beyond
        n_f16 += in_f16 | zero | beyond
        n_bf16 += ((size & np.uint32(0xFFFF)) == np.uint32(0)) | (size > np.uint32(0x7F800000))
    return n_zero, n_negative, n_unit, n_beyond, n_f16, n_bf16


@kernel
def _count_f64(patterns):  # type: ignore[no-untyped-def]
    n_zero = n_negative = n_unit = n_beyond = n_f16 = n_bf16 = 0
    for i in range(np.uint64(patterns.size)):
        size = patterns[i] & np.uint64(0x7FFFFFFFFFFFFFFF)
        exponent = np.int64(size >> np.uint64(52)) - 1023
        zero, beyond = size == np.uint64(0), exponent == 1024
        lost_f16 = np.uint64(min(42 + max(-14 - exponent, 0), 52))
        lost_bf16 = np.uint64(min(45 + max(-126 - exponent, 0), 52))
        in_f16 = (exponent >= -24) & (exponent <= 15) & (size << (np.uint64(64) - lost_f16) == np.uint64(0))
        in_bf16 = (exponent >= -133) & (exponent <= 127) & (size << (np.uint64(64) - lost_bf16) == np.uint64(0))
        n_zero += zero
        n_negative += patterns[i] == np.uint64(1 << 63)
        n_unit += exponent < 0
        n_beyond += beyond
        n_f16 += in_f16 | zero | beyond
        n_bf16 += in_bf16 | zero | beyond
    return n_zero, n_negative, n_unit, n_beyond, n_f16, n_bf16


def count_f32(patterns: NDArray[Any]) -> NDArray[np.int64]:
    """Counts, in the order of COUNTED, over f32 elements given as uint32."""
    return np.array(_count_f32(patterns), np.int64)


def count_f64(patterns: NDArray[Any]) -> NDArray[np.int64]:
    """Counts, in the order of COUNTED, over f64 elements given as uint64."""
    return np.array(_count_f64(patterns), np.int64)
