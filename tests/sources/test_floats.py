"""Casts between floating-point types, against NumPy and ml_dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.sources.floats import LAYOUTS, cast

REAL = {"f16": np.dtype("<f2"), "bf16": np.dtype(ml_dtypes.bfloat16), "f32": np.dtype("<f4"), "f64": np.dtype("<f8")}
PAIRS = [(source, target) for source in REAL for target in REAL]


def exact(codes: np.ndarray, name: str) -> np.ndarray:
    """The values as f64, which holds them all."""
    with np.errstate(invalid="ignore"):  # of a signalling NaN
        return codes.view(REAL[name]).astype(np.float64)


def expected(codes: np.ndarray, source: str, target: str) -> np.ndarray:
    """The same cast by NumPy; to bf16 from the exact value, not by way of f32, which would round twice."""
    values = exact(codes, source)
    with np.errstate(over="ignore", invalid="ignore"):
        if target == "bf16":
            return round_to_bf16(values)
        return values.astype(REAL[target]).view(LAYOUTS[target].unsigned)


def round_to_bf16(values: np.ndarray) -> np.ndarray:
    """f32 rounded to odd keeps what decides the second rounding."""
    single = values.astype(np.float32)
    code = single.view("<u4").astype(np.int64)
    away = np.abs(single.astype(np.float64)) > np.abs(values)
    inexact = (single.astype(np.float64) != values) & ~np.isnan(values)
    truncated = np.where(inexact & away, code - 1, code)
    odd = np.where(inexact, truncated | 1, code).astype("<u4").view("<f4")
    return odd.astype(ml_dtypes.bfloat16).view("<u2")


def check(codes: np.ndarray, source: str, target: str) -> None:
    got, overflowed = cast(codes, LAYOUTS[source], LAYOUTS[target])
    wanted = expected(codes, source, target)
    nan = np.isnan(exact(codes, source))
    assert got.dtype == LAYOUTS[target].unsigned
    np.testing.assert_array_equal(got[~nan], wanted[~nan])
    assert np.isnan(exact(got, target))[nan].all()
    finite_before = np.isfinite(exact(codes, source))
    infinite_after = np.isinf(exact(got, target))
    assert overflowed == np.count_nonzero(finite_before & infinite_after)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_16_bit_pattern_and_the_neighbours_of_every_limit_round_as_ieee_says(source: str, target: str) -> None:
    layout, small = LAYOUTS[source], LAYOUTS["f16" if source in ("f16", "bf16") else target]
    if layout.width == 16:
        check(np.arange(1 << 16, dtype="<u2"), source, target)
        return
    around = np.arange(-3, 4)
    for exponent in range(1 << layout.exponent):
        start = exponent << layout.mantissa
        steps = np.arange(9) << max(layout.mantissa - small.mantissa - 2, 0)
        codes = (start + steps[:, None] + around).ravel()
        codes = codes[(codes >= 0) & (codes < 1 << (layout.width - 1))].astype(layout.unsigned)
        check(codes, source, target)
        check(codes | layout.unsigned.type(1 << (layout.width - 1)), source, target)


@given(st.data())
def test_any_bit_pattern_rounds_as_ieee_says(data: st.DataObject) -> None:
    source, target = data.draw(st.sampled_from(PAIRS))
    code = st.integers(0, (1 << LAYOUTS[source].width) - 1)
    codes = data.draw(st.lists(code, min_size=1, max_size=20))
    check(np.array(codes, LAYOUTS[source].unsigned), source, target)


@pytest.mark.parametrize(
    ("source", "target"), [("f16", "f32"), ("bf16", "f32"), ("f32", "f64"), ("f16", "f64"), ("f32", "f32")]
)
def test_a_wider_type_holds_every_value_and_gives_it_back(source: str, target: str) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 1 << LAYOUTS[source].width, 1 << 16, np.uint64).astype(LAYOUTS[source].unsigned)
    quiet = 1 << (LAYOUTS[source].mantissa - 1)
    codes = np.where(np.isnan(exact(codes, source)), codes | quiet, codes)
    codes = codes.astype(LAYOUTS[source].unsigned)
    wide, overflowed = cast(codes, LAYOUTS[source], LAYOUTS[target])
    assert overflowed == 0
    np.testing.assert_array_equal(cast(wide, LAYOUTS[target], LAYOUTS[source])[0], codes)


def test_the_sign_and_the_upper_payload_of_a_nan_are_kept() -> None:
    codes = np.array([0xFF81_2345, 0x7FC0_0001], "<u4")
    assert [hex(code) for code in cast(codes, LAYOUTS["f32"], LAYOUTS["bf16"])[0].tolist()] == ["0xffc1", "0x7fc0"]
