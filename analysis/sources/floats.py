"""Floating-point types turned into each other on their bit patterns, rounded to nearest, ties to even."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]


@dataclass(frozen=True)
class Layout:
    """How an IEEE-754 binary type divides its bits; the rest is the sign."""

    exponent: int
    mantissa: int

    @property
    def width(self) -> int:
        """Bits in all."""
        return 1 + self.exponent + self.mantissa

    @property
    def bias(self) -> int:
        """What is added to an exponent to store it."""
        return (1 << (self.exponent - 1)) - 1

    @property
    def infinity(self) -> int:
        """The code of positive infinity; larger ones without a sign are NaN."""
        return ((1 << self.exponent) - 1) << self.mantissa

    @property
    def unsigned(self) -> np.dtype[np.unsignedinteger]:
        """The little-endian unsigned integer that holds one code."""
        return np.dtype(f"<u{self.width // 8}")


LAYOUTS = {"f16": Layout(5, 10), "bf16": Layout(8, 7), "f32": Layout(8, 23), "f64": Layout(11, 52)}
"""The types that can be cast, by their name in `elf.tensor.DTYPES`."""


def cast(codes: NDArray[np.unsignedinteger], source: Layout, target: Layout) -> tuple[NDArray[np.unsignedinteger], int]:
    """The codes in another type, and how many finite values became infinite.

    `codes` and the result are unsigned integers of the types' widths, of one shape. NaN stays NaN, of the same sign
    and the upper part of its payload, quiet. The same on every machine: only integers are computed.
    """
    wide = codes.astype(np.uint64)
    sign, magnitude = wide >> np.uint64(source.width - 1), wide & np.uint64((1 << (source.width - 1)) - 1)
    rounded = np.minimum(_round(magnitude, source, target), np.uint64(target.infinity))
    finite = magnitude < source.infinity
    overflowed = int(np.count_nonzero(finite & (rounded == target.infinity)))
    special = np.where(magnitude == source.infinity, np.uint64(target.infinity), _nan(magnitude, source, target))
    result = np.where(finite, rounded, special) | (sign << np.uint64(target.width - 1))
    return result.astype(target.unsigned), overflowed


def _round(magnitude: Codes, source: Layout, target: Layout) -> Codes:
    """Codes of finite values without their sign; those beyond the target's range come out above its infinity."""
    significand, exponent = _normalised(magnitude, source)
    precision = max(source.mantissa, target.mantissa)
    significand <<= np.uint64(precision - source.mantissa)
    below = np.maximum(1 - target.bias - exponent, 0)  # how far into the target's subnormal numbers
    drop = np.minimum(precision - target.mantissa + below, precision + 2).astype(np.uint64)
    one = np.uint64(1)
    tie_to_even = ((one << drop) >> one) - one + ((significand >> drop) & one)
    kept = (significand + np.where(drop > 0, tie_to_even, np.uint64(0))) >> drop
    # The leading one of a normal number adds itself to the exponent, and so does a carry from rounding.
    base = np.where(below > 0, 0, np.maximum(exponent + target.bias - 1, 0)).astype(np.uint64)
    return np.where(significand == 0, np.uint64(0), (base << np.uint64(target.mantissa)) + kept)


def _normalised(magnitude: Codes, source: Layout) -> tuple[Codes, NDArray[np.int64]]:
    """Significands with their leading one at bit `source.mantissa`, and exponents without bias."""
    field = (magnitude >> np.uint64(source.mantissa)).astype(np.int64)
    fraction = magnitude & np.uint64((1 << source.mantissa) - 1)
    length = np.frexp(fraction.astype(np.float64))[1].astype(np.int64)  # exact: a fraction has at most 52 bits
    shift = np.where(field == 0, source.mantissa + 1 - length, 0)
    leading = np.where(field == 0, 0, 1 << source.mantissa).astype(np.uint64)
    return (fraction << shift.astype(np.uint64)) | leading, np.maximum(field, 1) - source.bias - shift


def _nan(magnitude: Codes, source: Layout, target: Layout) -> Codes:
    payload = magnitude & np.uint64((1 << source.mantissa) - 1)
    narrower, wider = max(source.mantissa - target.mantissa, 0), max(target.mantissa - source.mantissa, 0)
    kept = (payload >> np.uint64(narrower)) << np.uint64(wider)
    return kept | np.uint64(target.infinity | 1 << (target.mantissa - 1))
