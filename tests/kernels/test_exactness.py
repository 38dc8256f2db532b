from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elf.kernels.exactness import COUNTED, count_f32, count_f64

COUNT = {"f4": count_f32, "f8": count_f64}


def held(values: np.ndarray, dtype: object) -> np.ndarray:
    """Which values come back from a cast to a shorter float: NaN is held as NaN."""
    with np.errstate(all="ignore"):
        back = values.astype(dtype).astype(values.dtype)
    return (back == values) | np.isnan(values)


def slow_counts(values: np.ndarray) -> list[int]:
    masks = [
        values == 0,
        (values == 0) & np.signbit(values),
        np.abs(values) < 1,
        ~np.isfinite(values),
        held(values, np.float16),
        held(values, ml_dtypes.bfloat16),
    ]
    return [int(mask.sum()) for mask in masks]


def edges(kind: str) -> np.ndarray:
    """Powers of two around the limits of f16 and bf16, their neighbours, and sums of two of them."""
    exponents = [-150, -149, -134, -133, -132, -127, -126, -125, -40, -26, -25, -24, -23, -15, -14, -13, -1, 0, 15, 16]
    powers = np.ldexp(1.0, [*exponents, 126, 127]).astype(kind)
    fractions = 1 + np.ldexp(1.0, -np.arange(24))
    with np.errstate(over="ignore"):
        products = (powers[:, None] * fractions).astype(kind).ravel()
    special = np.array([0.0, np.inf, np.nan, 65504, 65505, 65520, 3.3895313892515355e38, 3.4e38, 0.1], kind)
    around = np.concatenate([products, np.nextafter(products, np.inf, dtype=kind), special])
    return np.concatenate([around, -around])


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_each_limit_value_is_counted_as_casts_say(kind: str) -> None:
    for value in edges(kind):
        one = np.array([value], kind)
        assert COUNT[kind](one.view(f"u{one.itemsize}")).tolist() == slow_counts(one), value.hex()


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_counts_of_any_f32_patterns_are_those_of_casts(patterns: list[int]) -> None:
    given_patterns = np.array(patterns, np.uint32)
    assert count_f32(given_patterns).tolist() == slow_counts(given_patterns.view(np.float32))


@given(st.lists(st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1).map(lambda n: n << 32)), max_size=50))
def test_counts_of_any_f64_patterns_are_those_of_casts(patterns: list[int]) -> None:
    given_patterns = np.array(patterns, np.uint64)
    assert count_f64(given_patterns).tolist() == slow_counts(given_patterns.view(np.float64))


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_every_f16_is_held_by_f16_and_every_bf16_by_bf16(kind: str) -> None:
    patterns = np.arange(1 << 16, dtype=np.uint16)
    for column, dtype in (
        (COUNTED.index("n_f16_exact"), np.float16),
        (COUNTED.index("n_bf16_exact"), ml_dtypes.bfloat16),
    ):
        with np.errstate(invalid="ignore"):
            wide = patterns.view(dtype).astype(kind)
        assert COUNT[kind](wide.view(f"u{wide.itemsize}"))[column] == 1 << 16


def test_weights_are_counted_as_casts_say() -> None:
    weights = np.random.default_rng(3).normal(0, 1, 100_000)
    mixed = np.concatenate(
        [weights, weights.astype(np.float16), weights.astype(ml_dtypes.bfloat16).astype("f8"), [0, -0.0]]
    )
    for kind, count in COUNT.items():
        values = mixed.astype(kind)
        assert count(values.view(f"u{values.itemsize}")).tolist() == slow_counts(values)
