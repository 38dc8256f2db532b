"""Counts by exponent and sums agree with what plain Python says, special values included."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elf.kernels.octaves import count_fields, count_lengths, sums

EMPTY = np.empty(0, np.int64)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=60))
def test_fields_of_any_patterns_are_counted(patterns: list[int]) -> None:
    counts = np.zeros(512, np.int64)
    count_fields(np.array(patterns, np.uint32), np.uint32(23), counts)
    assert counts.tolist() == np.bincount([pattern >> 23 for pattern in patterns], minlength=512).tolist()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40))
def test_lengths_of_any_integers_are_counted(numbers: list[int]) -> None:
    counts = np.zeros((2, 65), np.int64)
    count_lengths(np.array(numbers, np.int64), counts)
    assert counts[0].tolist() == np.bincount([abs(n).bit_length() for n in numbers], minlength=65).tolist()
    assert counts[1].tolist() == np.bincount([abs(n).bit_length() for n in numbers if n < 0], minlength=65).tolist()


def test_lengths_of_the_largest_unsigned_integers() -> None:
    counts = np.zeros((2, 65), np.int64)
    count_lengths(np.array([2**64 - 1, 0, 1], np.uint64), counts)
    assert counts[0, [0, 1, 64]].tolist() == [1, 1, 1]
    assert counts[1].sum() == 0


@given(st.lists(st.floats(width=32), max_size=40))
def test_sums_leave_out_what_is_not_finite(values: list[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    n, low, high, total, squares = sums(np.array(values, np.float32), EMPTY)
    assert n == len(finite)
    assert (low, high) == (min(finite, default=math.inf), max(finite, default=-math.inf))
    expected, expected_squares = 0.0, 0.0
    for value in finite:
        expected, expected_squares = expected + value, expected_squares + value * value
    assert (total, squares) == (expected, expected_squares)


def test_weights_say_how_often_each_value_counts() -> None:
    found = sums(np.array([1, 2, np.nan, 4], np.float32), np.array([3, 0, 5, 1], np.int64))
    assert found == (4, 1.0, 4.0, 7.0, 19.0)
