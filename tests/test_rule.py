"""Lossy only where it is right, and never without a reason that can be printed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elf.bound import Bound
from elf.codecs.base import Values
from elf.codecs.elf import Elf
from elf.codecs.widths import narrow, widen
from elf.errors import ElfError
from elf.kernels.squares import sum_of_squares
from elf.payload import Payload, encode
from elf.rule import LARGEST_ERROR, Decision, Rule, after
from elf.tensor import DTYPES, ROLES, Tensor

WEIGHT = Tensor("layer.weight", "f32", (4, 6), 96, 96, 0)
RNG = np.random.default_rng(0)


def normal(scale: float, dtype: str = "<f4", count: int = 5000) -> Values:
    return (RNG.standard_normal(count) * scale).astype(dtype)


def test_a_matrix_of_weights_gets_the_bound_of_its_type() -> None:
    assert Rule().before(WEIGHT) == Decision("weight", Bound("absolute", 2.0**-24))
    assert Rule().before(replace(WEIGHT, dtype="f64")).bound == Bound("absolute", 2.0**-53)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "weight"])
def test_every_other_role_stays_lossless(role: str) -> None:
    assert Rule().before(replace(WEIGHT, role=role)) == Decision(f"its role is {role}")


@pytest.mark.parametrize("shape", [(), (24,)])
def test_vectors_stay_lossless(shape: tuple[int, ...]) -> None:
    assert Rule().before(replace(WEIGHT, shape=shape)) == Decision("it has fewer than two dimensions")


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_narrow_floats_stay_lossless_unless_a_bound_is_asked_for(dtype: str) -> None:
    narrow = replace(WEIGHT, dtype=dtype)
    assert Rule().before(narrow) == Decision(f"{dtype} has no bound of its own")
    assert Rule(lossy=("*",)).before(narrow).bound is None
    assert Rule(bound=Bound("absolute", 0.01)).before(narrow).bound == Bound("absolute", 0.01)


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name not in ("f16", "bf16", "f32", "f64")])
def test_everything_else_is_always_kept_exactly(dtype: str) -> None:
    rule = Rule(bound=Bound("rms", 0.1), lossy=("*",))
    assert rule.before(replace(WEIGHT, dtype=dtype)) == Decision(f"{dtype} is always kept exactly")


def test_lossless_is_for_every_tensor() -> None:
    assert Rule(lossless=True).before(WEIGHT) == Decision("lossless was asked for")


@pytest.mark.parametrize("rule", [{"bound": Bound("max", 1e-3)}, {"lossy": ("*",)}])
def test_lossless_excludes_what_contradicts_it(rule: dict[str, object]) -> None:
    with pytest.raises(ElfError, match="lossless excludes"):
        Rule(lossless=True, **rule)  # type: ignore[arg-type]


def test_patterns_overrule_roles_and_keep_overrules_lossy() -> None:
    bias = replace(WEIGHT, name="layer.bias", role="bias", shape=(24,))
    rule = Rule(lossy=("*.bias", "head*"), keep=("layer.w*", "head.?"))
    assert rule.before(bias) == Decision("asked for by *.bias", Bound("absolute", 2.0**-24), forced=True)
    assert rule.before(WEIGHT) == Decision("kept by layer.w*")
    assert rule.before(replace(WEIGHT, name="head.1")) == Decision("kept by head.?")


def test_upper_and_lower_case_are_apart() -> None:
    assert Rule(keep=("LAYER*",)).before(WEIGHT).bound is not None


@pytest.mark.parametrize("rule", [Rule(keep=("head*",)), Rule(lossy=("layer.weight", "Layer*"))])
def test_a_pattern_that_names_nothing_is_refused(rule: Rule) -> None:
    with pytest.raises(ElfError, match="names no tensor"):
        rule.refuse_idle_patterns([WEIGHT])


def test_weights_of_the_usual_size_stay_lossy() -> None:
    decision = Rule().before(WEIGHT)
    assert after(decision, normal(0.02), "f32") == decision


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_makes_all_lossless(broken: float) -> None:
    values = normal(0.02)
    values[-1] = broken
    assert after(Rule().before(WEIGHT), values, "f32") == Decision("it holds NaN or infinity")


def test_values_too_small_for_the_bound_stay_lossless_and_the_error_is_told() -> None:
    decision = after(Rule().before(WEIGHT), normal(1e-4), "f32")
    assert decision == Decision("its error would be 2^-11.5 of its RMS")
    assert after(Rule().before(WEIGHT), normal(1e-9), "f32").reason == "its error would be 2^0.0 of its RMS"


def test_what_is_asked_for_by_name_is_not_measured() -> None:
    decision = Rule(lossy=("*",)).before(WEIGHT)
    values = normal(1e-9)
    values[0] = math.nan
    assert after(decision, values, "f32") == decision


def test_huge_doubles_are_finite() -> None:
    values = normal(1e200, "<f8")
    assert after(Rule(bound=Bound("rms", 2.0**-13)).before(WEIGHT), values, "f64").bound is not None
    assert after(Rule(bound=Bound("rms", 2.0**-6)).before(WEIGHT), values, "f64").bound is None
    values[7] = math.inf
    assert after(Rule(bound=Bound("rms", 2.0**-13)).before(WEIGHT), values, "f64").bound is None


def test_zeros_are_within_any_bound() -> None:
    assert after(Rule().before(WEIGHT), np.zeros(100, "<f4"), "f32").bound is not None


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "f64"])
@pytest.mark.parametrize("power", range(-16, -6))
def test_the_limit_holds_for_what_is_decoded(dtype: str, power: int) -> None:
    """The plain definition: code, decode, and compare."""
    values = narrow(normal(0.5, "<f8" if dtype == "f64" else "<f4"), dtype)
    decision = after(Rule(bound=Bound("rms", 2.0**power)).before(replace(WEIGHT, dtype=dtype)), values, dtype)
    step = Bound("rms", 2.0**power).step(values, dtype)
    assert step is not None
    data = encode(values, dtype, values.shape, Elf(step))
    assert data is not None
    plain = widen(values, dtype).astype(np.float64)
    back = widen(Payload(data).decode(), dtype)
    error, rms = (math.sqrt(np.mean(item**2)) for item in (back - plain, plain))
    assert (decision.bound is not None) == (error <= LARGEST_ERROR * rms)


@given(
    hnp.arrays(st.sampled_from([np.float32, np.float64]), st.integers(0, 40), elements=st.floats(-1e3, 1e3, width=32))
)
def test_the_sum_of_squares_is_one(values: Values) -> None:
    assert sum_of_squares(values) == pytest.approx(math.fsum(float(value) ** 2 for value in values), rel=1e-12)
