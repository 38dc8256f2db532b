"""Elf's arithmetic: floats to fixed-point codes and back, with every restored value checked against the bound.

A code is `round_half_even(|w| / step) * 2 + sign`. All scaling is by powers of two and all rounding is to integers, so
that every machine computes the same codes and the same values. Arrays are 1-D and contiguous; `bits` is the unsigned
view of `values`. The scalars `limit`, `scale`, `step` and `bound` have the type of `values`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from elf.kernels import kernel


@kernel
def magnitudes(bits: Any, mask: Any, shift: Any, floor: Any) -> Any:
    """The largest magnitude as an integer, and the sum of all exponents, none counted below `floor`.

    `mask` (all but the sign), `shift` (the mantissa's width) and `floor` have the type of `bits`. Integers, so that the
    sum does not depend on the order in which a machine adds.
    """
    largest = bits.dtype.type(0)
    total = np.uint64(0)
    for i in range(bits.size):
        magnitude = bits[i] & mask
        largest = max(largest, magnitude)
        total += max(magnitude >> shift, floor)
    return largest, total


@kernel
def quantize(
    values: Any, bits: Any, codes: Any, restored: Any, limit: Any, scale: Any, step: Any, bound: Any, sign_shift: Any
) -> Any:
    """Fill `codes` and `restored`; return how many values the bound does not hold for (NaN, or beyond `limit`).

    Such a value gets the code of a zero with its sign. `limit * scale` must fit in the codes without their sign bit.
    """
    broken = np.int64(0)
    zero = values.dtype.type(0)
    one = codes.dtype.type(1)
    for i in range(values.size):
        magnitude = abs(values[i])
        steps = np.rint((magnitude if magnitude <= limit else zero) * scale)
        back = steps * step
        restored[i] = np.copysign(back, values[i])
        broken += not (abs(back - magnitude) <= bound)
        codes[i] = (codes.dtype.type(steps) << one) | (bits[i] >> sign_shift)
    return broken


@kernel
def dequantize(codes: Any, values: Any, step: Any) -> None:
    """Fill `values` from `codes`: exact, because a code has at most as many significant bits as a value."""
    one = codes.dtype.type(1)
    for i in range(codes.size):
        back = values.dtype.type(codes[i] >> one) * step
        values[i] = -back if codes[i] & one else back


@kernel
def quantize_bytes(
    values: Any, bits: Any, low: Any, middle: Any, high: Any, restored: Any, scale: Any, step: Any
) -> Any:
    """`quantize` for f32 codes of at most 24 bits, straight into three byte planes; returns the largest error's bits.

    Four times as fast as codes first and planes after. The maximum of errors is taken over their bit patterns, which
    order as the errors do and put a NaN above everything: integers vectorise where a float maximum does not.
    """
    worst = np.uint32(0)
    for i in range(values.size):
        magnitude = abs(values[i])
        steps = np.rint(magnitude * scale)
        back = steps * step
        restored[i] = np.copysign(back, values[i])
        worst = max(worst, np.float32(abs(back - magnitude)).view(np.uint32))
        code = (np.uint32(np.int32(steps)) << np.uint32(1)) | (bits[i] >> np.uint32(31))
        low[i] = np.uint8(code)
        middle[i] = np.uint8(code >> np.uint32(8))
        high[i] = np.uint8(code >> np.uint32(16))
    return worst


@kernel
def dequantize_bytes(low: Any, middle: Any, high: Any, values: Any, step: Any) -> None:
    """Fill f32 `values` from three byte planes of 24-bit codes.

    Signs are set as bits and every integer is kept at 32 bits: that is twice as fast as a branch and numba's 64.
    """
    bits = values.view(np.uint32)
    for i in range(values.size):
        code = np.uint32(low[i] | np.uint32(middle[i]) << np.uint32(8) | np.uint32(high[i]) << np.uint32(16))
        back = np.float32(np.int32(code >> np.uint32(1))) * step
        bits[i] = np.float32(back).view(np.uint32) | np.uint32(code << np.uint32(31))
