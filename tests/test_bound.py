"""Bounds and the steps that keep them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elf.bound import OWN_BOUND, Bound
from elf.codecs.elf import LARGEST_STEP
from elf.codecs.widths import widen
from elf.errors import ElfError
from tests.codecs.samples import FLOATS, weights

W = weights("f32", 5000)


@given(st.floats(2.0**-98, 2.0**98))
def test_the_step_is_the_largest_power_of_two_that_keeps_the_bound(value: float) -> None:
    step = Bound("absolute", value).step(W, "f32")
    assert step is not None
    assert 2.0 ** (step - 1) <= value < 2.0**step


def test_the_published_bounds_have_the_published_steps() -> None:
    assert OWN_BOUND["f32"].step(W, "f32") == -23
    assert OWN_BOUND["f64"].step(W.astype(np.float64), "f64") == -52
    assert set(OWN_BOUND) == {"f32", "f64"}


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_relative_bound_is_relative_to_rms_or_maximum(dtype: str) -> None:
    values = weights(dtype, 5000)
    wide = widen(values, dtype).astype(np.float64)
    rms = Bound("rms", 1.0).step(values, dtype)
    assert rms == math.frexp(math.sqrt(np.mean(wide**2)))[1]
    assert Bound("max", 0.5).step(values, dtype) == math.frexp(np.abs(wide).max() / 2)[1]


def test_what_is_not_finite_does_not_count() -> None:
    values = np.concatenate([W, np.array([0x7F800001, 0x7F800000, 0xFFFFFFFF], np.uint32).view(np.float32)])
    for kind in ("rms", "max"):
        assert Bound(kind, 0.01).step(values, "f32") == Bound(kind, 0.01).step(W, "f32")


def test_the_rms_of_extreme_values_does_not_overflow_or_vanish() -> None:
    for exponent in (-1070, -1000, -500, 500, 1000):
        step = Bound("rms", 2.0**-10 if exponent > 0 else 2.0**200).step(np.full(3, 2.0**exponent), "f64")
        expected = exponent + (-9 if exponent > 0 else 201)
        assert step == (None if expected < -900 else min(expected, 900))


def test_there_is_no_step_where_it_would_not_help() -> None:
    assert Bound("absolute", 0.1).step(np.arange(3), "i64") is None
    assert Bound("rms", 0.1).step(np.zeros(3, np.float32), "f32") is None
    assert Bound("max", 0.1).step(np.full(3, np.nan, np.float32), "f32") is None
    assert Bound("max", 0.1).step(np.empty(0, np.float32), "f32") is None
    assert Bound("absolute", 2.0**-120).step(W, "f32") is None
    assert Bound("absolute", 2.0**120).step(W, "f32") == LARGEST_STEP["f32"]


@pytest.mark.parametrize(
    ("kind", "value"), [("absolute", 0), ("rms", -1.0), ("max", math.nan), ("absolute", math.inf), ("relative", 0.1)]
)
def test_a_bound_that_is_none_is_refused(kind: str, value: float) -> None:
    with pytest.raises(ElfError, match="bound"):
        Bound(kind, value)
