"""Elf against a plain reference in exact arithmetic, next to every limit that the code has."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from elf.codecs.elf import LARGEST_STEP, Elf
from elf.codecs.widths import narrow, widen
from elf.errors import ElfError
from tests.codecs.samples import FLOATS, bit_patterns, same_bits, special, weights

MOST = {"f16": 31, "bf16": 31, "f32": 31, "f64": 62}


def plainly(values: NDArray[Any], dtype: str, step: int) -> NDArray[Any]:
    """What Elf must restore, one value after another, in exact fractions."""
    out = values.copy()
    for i, value in enumerate(widen(values, dtype)):
        exact = Fraction(float(abs(value))) if math.isfinite(value) else None
        if exact is None or exact >= Fraction(2) ** (MOST[dtype] + step):
            continue
        steps = round(exact / Fraction(2) ** step)  # half to even
        back = np.array([math.copysign(float(steps * Fraction(2) ** step), value)], widen(values, dtype).dtype)
        rounded = narrow(back, dtype)
        wide = abs(float(widen(rounded, dtype)[0]))
        if math.isfinite(wide) and abs(Fraction(wide) - exact) <= Fraction(2) ** (step - 1):
            out[i] = rounded[0]
    return out


def restore(values: NDArray[Any], dtype: str, step: int) -> NDArray[Any]:
    data, result = Elf(step).encode_with_result(values, dtype)
    out = np.empty_like(values)
    result = result.copy()
    Elf(step).decode(memoryview(data), out, dtype)
    assert same_bits(result, out)
    return out


def near(number: float, dtype: str) -> NDArray[Any]:
    """`number` and its neighbours in `dtype`, of both signs."""
    centre = narrow(np.array([number], np.float64 if dtype == "f64" else np.float32), dtype)
    bits = centre.view(f"u{centre.itemsize}")
    around = np.concatenate([bits - bits.dtype.type(1), bits, bits + bits.dtype.type(1)]).view(centre.dtype)
    return np.concatenate([around, narrow(-widen(around, dtype), dtype)])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_it_restores_what_exact_arithmetic_says(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(FLOATS))
    step = data.draw(st.integers(-40, 20) | st.integers(-LARGEST_STEP[dtype], LARGEST_STEP[dtype]))
    values = data.draw(bit_patterns(dtype, 16))
    assert same_bits(restore(values, dtype, step), plainly(values, dtype, step))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("step", [-52, -30, -24, -23, -11, -3, 0, 5])
def test_values_next_to_every_limit_are_restored_as_exact_arithmetic_says(dtype: str, step: int) -> None:
    unit = 2.0**step
    limits = [0.0, unit / 2, unit, 1.5 * unit, 2.5 * unit, 1.0, 2.0, 2**22 * unit, 2**23 * unit, (2**23 - 0.5) * unit,
              2**24 * unit, 2**31 * unit, 2**53 * unit, 2**62 * unit]  # fmt: skip
    largest = 65504.0 if dtype == "f16" else 3e38
    values = np.concatenate([special(dtype), *(near(limit, dtype) for limit in limits if unit / 4 < limit < largest)])
    assert same_bits(restore(values, dtype, step), plainly(values, dtype, step))


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("step", [-12, -8, -2, 9])
def test_every_16_bit_value_keeps_the_bound(dtype: str, step: int) -> None:
    values = np.arange(1 << 16, dtype=np.uint16).view("<f2" if dtype == "f16" else "<u2")
    out = restore(values, dtype, step)
    wide, back = (widen(array, dtype).astype(np.float32) for array in (values, out))
    kept = values.view(np.uint16) == out.view(np.uint16)
    assert np.all(kept | (np.abs(np.subtract(wide, back, where=~kept, out=np.zeros_like(wide))) <= 2.0 ** (step - 1)))
    assert np.array_equal(np.signbit(wide), np.signbit(back))


def test_the_step_of_the_paper_is_rounding_to_2_to_the_minus_23_with_a_sign() -> None:
    values = np.concatenate([near(1.0, "f32"), near(2.0**-24, "f32"), weights("f32", 1000)])
    values = values[np.abs(values) < 1]
    expected = np.copysign(np.rint(np.abs(values.astype(np.float64)) * 2**23) * 2.0**-23, values).astype(np.float32)
    assert same_bits(restore(values, "f32", -23), expected)


def large(count: int) -> NDArray[np.float32]:
    """Enough values for the fast way, of which a few break what it relies on."""
    return weights("f32", count)


@pytest.mark.parametrize("count", [65535, 65536, 70000, 1 << 18])
def test_the_fast_way_and_the_general_way_restore_the_same(count: int) -> None:
    values = large(count)
    whole = restore(values, "f32", -23)
    parts = np.concatenate([restore(values[i : i + 5000], "f32", -23) for i in range(0, count, 5000)])
    assert same_bits(whole, parts)
    assert np.abs(whole.astype(np.float64) - values).max() <= 2.0**-24


@pytest.mark.parametrize("odd", [np.nan, -np.inf, 0.99999994, 1.0, 300.0, 3e38, 1e-45])
@pytest.mark.parametrize("place", [0, 40000, 65536])
def test_one_odd_value_in_a_large_block_is_kept_and_disturbs_no_other(odd: float, place: int) -> None:
    values = large(65537)
    clean = restore(values, "f32", -23)
    values[place] = odd
    out = restore(values, "f32", -23)
    others = np.arange(values.size) != place
    assert same_bits(out[others], clean[others])
    assert same_bits(out[place : place + 1], plainly(values[place : place + 1], "f32", -23))


def test_many_exceptions_are_all_kept() -> None:
    values = weights("f32", 3000)
    values[::3] = np.nan
    values[1::7] = np.inf
    assert same_bits(restore(values, "f32", -23), plainly(values, "f32", -23))


def test_weights_of_the_usual_size_take_at_most_21_bits_each() -> None:
    values = large(1 << 18)
    assert 8 * len(Elf(-23).encode(values, "f32")) / values.size < 21


@pytest.mark.parametrize(("step", "bits"), [(-19, 17), (-15, 13), (-11, 9), (-7, 5)])
def test_a_looser_bound_saves_as_many_bits_as_it_gives_away(step: int, bits: float) -> None:
    values = large(1 << 17)
    assert 8 * len(Elf(step).encode(values, "f32")) / values.size < bits


def test_a_step_out_of_range_is_not_taken() -> None:
    assert not Elf(-101).applies("f32")
    assert Elf(-101).applies("f64")
    assert not Elf(901).applies("f64")
    assert not Elf(-23).applies("i32")


def test_positions_beyond_the_block_are_refused() -> None:
    values = np.array([np.nan, 0.5], np.float32)
    data = Elf(-23).encode(values, "f32")
    with pytest.raises(ElfError, match="exception"):
        Elf(-23).decode(memoryview(data), np.empty(0, np.float32), "f32")
