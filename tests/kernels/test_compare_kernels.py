"""Two arrays are compared as a slow count of every bit and byte says, and summed in one order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elf.kernels.compare import BLOCK, different_bits, leading_bytes, shuffled, sums

WIDTHS = {2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<u8")}


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    dtype = WIDTHS[draw(st.sampled_from(sorted(WIDTHS)))]
    n = draw(st.integers(0, 70))
    one = np.frombuffer(draw(st.binary(min_size=n * dtype.itemsize, max_size=n * dtype.itemsize)), dtype)
    flips = draw(st.lists(st.integers(0, 8 * dtype.itemsize - 1), min_size=n, max_size=n))
    keep = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    other = [int(x) if kept else int(x) ^ (1 << flip) for x, flip, kept in zip(one, flips, keep, strict=True)]
    return one, np.array(other, dtype)


@given(pairs())
def test_bits_and_leading_bytes_are_those_of_a_slow_count(pair: tuple[np.ndarray, np.ndarray]) -> None:
    one, two = pair
    width = one.itemsize
    bits, lead = [0] * (8 * width), [0] * (width + 1)
    for a, b in zip(one.tolist(), two.tolist(), strict=True):
        for bit in range(8 * width):
            bits[bit] += (a >> bit ^ b >> bit) & 1
        equal = [x == y for x, y in zip(a.to_bytes(width, "big"), b.to_bytes(width, "big"), strict=True)]
        lead[[*equal, False].index(False)] += 1
    assert different_bits(one, two).tolist() == bits
    assert leading_bytes(one, two).tolist() == lead


def test_bits_are_counted_over_several_blocks() -> None:
    one = np.zeros(3 * BLOCK + 5, np.uint32)
    two = one.copy()
    two[::2] ^= 1 << 31
    assert different_bits(one, two).tolist() == [*[0] * 31, len(one[::2])]


@given(st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), max_size=40))
def test_sums_leave_out_what_is_not_finite(values: list[tuple[float, float]]) -> None:
    one, two = (np.array(side, np.float64) for side in (zip(*values, strict=True) if values else ([], [])))
    finite = [(a, b) for a, b in values if math.isfinite(a) and math.isfinite(b)]
    n, ab, aa, bb, dd = sums(one, two)
    assert n == len(finite)
    for found, terms in (
        (ab, [a * b for a, b in finite]),
        (aa, [a * a for a, _ in finite]),
        (bb, [b * b for _, b in finite]),
        (dd, [(a - b) ** 2 for a, b in finite]),
    ):
        assert found == pytest.approx(math.fsum(terms), rel=1e-12, abs=1e-12 * math.fsum(map(abs, terms)))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 10, 97, 1000, 4096, 65537])
def test_shuffling_keeps_every_value_and_moves_most(n: int) -> None:
    values = np.arange(n, dtype=np.uint32)
    other = shuffled(values)
    assert np.array_equal(np.sort(other), values)
    assert np.array_equal(other, shuffled(values))
    if n > 3:
        assert np.count_nonzero(other == values) <= max(1, n // 50)
