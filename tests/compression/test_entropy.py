"""Entropies agree with their definition, and the bias-aware one with the truth where the plug-in one is far off."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.compression.entropy import counts_of, coverage_adjusted, fields, plug_in
from tests.codecs.samples import NAMES, special, weights


@given(st.lists(st.integers(0, 50), max_size=40))
def test_the_plug_in_estimate_is_the_definition(counts: list[int]) -> None:
    total = sum(counts)
    expected = -sum(n / total * math.log2(n / total) for n in counts if n)
    assert math.isclose(plug_in(np.array(counts, np.int64)), expected, abs_tol=1e-9)


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 8))
def test_no_estimate_is_beyond_the_width_of_the_field(counts: list[int], width: int) -> None:
    assert 0 <= coverage_adjusted(np.array(counts, np.int64), width) <= width


def test_the_estimate_finds_the_entropy_of_many_rare_symbols() -> None:
    codes = np.random.default_rng(3).integers(0, 1 << 18, 50_000).astype(np.uint32)
    counts = counts_of(codes)
    assert plug_in(counts) < 15.7
    assert abs(coverage_adjusted(counts, 32) - 18) < 0.1


def test_the_estimate_agrees_with_the_plug_in_one_where_symbols_are_few() -> None:
    counts = np.array([40_000, 30_000, 20_000, 10_000])
    assert abs(coverage_adjusted(counts, 8) - plug_in(counts)) < 1e-6


@pytest.mark.parametrize("counts", [[], [0, 0], [7], [1]])
def test_nothing_one_symbol_and_one_value_have_no_entropy(counts: list[int]) -> None:
    assert plug_in(np.array(counts, np.int64)) == 0
    assert coverage_adjusted(np.array(counts, np.int64), 8) == 0


@pytest.mark.parametrize("dtype", [name for name in NAMES if name[0] not in "cb" or name == "bf16"])
def test_fields_are_counted_like_the_bits_of_the_values(dtype: str) -> None:
    for values in (weights(dtype, 257), special(dtype), weights(dtype, 1)):
        width = 8 * values.itemsize
        texts = [format(int.from_bytes(item.tobytes(), "little"), f"0{width}b") for item in values]
        found = {(field, at): sorted(counts[counts > 0].tolist()) for field, at, _, counts in fields(values, dtype)}
        expected = {("value", 0): Counter(texts)}
        expected |= {
            ("byte", i): Counter(text[width - 8 * i - 8 : width - 8 * i] for text in texts) for i in range(width // 8)
        }
        expected |= {("bit", i): Counter(text[width - 1 - i] for text in texts) for i in range(width)}
        if ("sign", 0) in found:
            exponent = {"f16": 5, "bf16": 8, "f32": 8, "f64": 11}[dtype]
            expected["sign", 0] = Counter(text[0] for text in texts)
            expected["exponent", 0] = Counter(text[1 : 1 + exponent] for text in texts)
            expected["mantissa", 0] = Counter(text[1 + exponent :] for text in texts)
        assert found == {key: sorted(counts.values()) for key, counts in expected.items()}
