"""Two arrays of bit patterns beside each other: where they agree, and sums over the values in a fixed order.

Arrays are 1-D, contiguous and of one length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.kernels import kernel

BLOCK = 4096
"""Patterns that are looked at bit by bit while they are in the nearest cache."""


@kernel
def _different_bits(a, b, counts):  # type: ignore[no-untyped-def]
    """Add to `counts` (int64, one a bit, lowest first) how often the bit differs."""
    one = a.dtype.type(1)
    for start in range(0, a.size, BLOCK):
        x = a[start : start + BLOCK] ^ b[start : start + BLOCK]
        for bit in range(counts.size):
            n = np.int64(0)
            shift = x.dtype.type(bit)
            for i in range(x.size):
                n += np.int64((x[i] >> shift) & one)
            counts[bit] += n


@kernel
def _leading_bytes(a, b, counts):  # type: ignore[no-untyped-def]
    """Add to `counts` (int64, width + 1) how many patterns have so many leading equal bytes."""
    width = np.int64(counts.size - 1)
    for i in range(a.size):
        x = np.uint64(a[i] ^ b[i])
        n = np.int64(0)
        while n < width and (x >> np.uint64(8 * (width - 1 - n))) == np.uint64(0):
            n += 1
        counts[n] += 1


@kernel
def _sums(a, b):  # type: ignore[no-untyped-def]
    """Of finite pairs: their number, and the sums of ab, aa, bb and (a - b) ** 2; four of each side by side."""
    ab, aa, bb, dd = np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(4)
    n = 0
    for i in range(a.size):
        x, y = a[i], b[i]
        if np.isfinite(x) and np.isfinite(y):
            k = i & 3
            n += 1
            ab[k] += x * y
            aa[k] += x * x
            bb[k] += y * y
            dd[k] += (x - y) * (x - y)
    return (
        n,
        (ab[0] + ab[1]) + (ab[2] + ab[3]),
        (aa[0] + aa[1]) + (aa[2] + aa[3]),
        (bb[0] + bb[1]) + (bb[2] + bb[3]),
        (dd[0] + dd[1]) + (dd[2] + dd[3]),
    )


@kernel
def _gather(values, stride, out):  # type: ignore[no-untyped-def]
    """out[i] = values[(i + 1) * stride % n]"""
    n = values.size
    place = np.int64(0)
    for i in range(n):
        place += stride
        if place >= n:
            place -= n
        out[i] = values[place]


def different_bits(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
    """How often each bit differs, lowest first: unsigned integers (n,) in, int64 (bits,) out."""
    counts = np.zeros(8 * a.itemsize, np.int64)
    _different_bits(a, b, counts)
    return counts


def leading_bytes(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
    """How many patterns have exactly 0, 1, ... width leading equal bytes, the highest first: int64 (width + 1,)."""
    counts = np.zeros(a.itemsize + 1, np.int64)
    _leading_bytes(a, b, counts)
    return counts


def sums(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[int, float, float, float, float]:
    """Of the pairs that are finite: their number, the sums of a * b, a * a, b * b and (a - b) ** 2.

    In one order on every machine. Sums that overflow are infinite.
    """
    n, ab, aa, bb, dd = _sums(a, b)
    return int(n), float(ab), float(aa), float(bb), float(dd)


def shuffled(values: NDArray[Any]) -> NDArray[Any]:
    """`values` in another order, always the same: steps of about 0.618 n through the array, which reach every place.

    One value, or none, stays where it is.
    """
    out = np.empty_like(values)
    _gather(values, _stride(values.size), out)
    return out


def _stride(n: int) -> int:
    """The first number from 0.618 n on that has no divisor in common with n."""
    stride = max(1, int(0.6180339887 * n))
    while np.gcd(stride, n) != 1:
        stride += 1
    return stride % n if n > 1 else 0
