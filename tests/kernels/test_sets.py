"""What sorted arrays have in common is what Python's sets say."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elf.kernels.sets import OWNER_BITS, add_finite, count_pairs, n_equal_draws, n_shared, sum_pairs

SETS = st.sets(st.integers(0, 30), max_size=20)
OWNED = st.lists(st.lists(st.integers(0, 8), max_size=12), min_size=1, max_size=6)


@given(SETS, SETS, st.sampled_from(["u1", "u4", "u8"]))
def test_two_sets_share_their_intersection(a: set[int], b: set[int], dtype: str) -> None:
    assert n_shared(np.array(sorted(a), dtype), np.array(sorted(b), dtype)) == len(a & b)


@given(st.lists(st.integers(0, 9), max_size=20), st.lists(st.integers(0, 9), max_size=20))
def test_equal_draws_are_all_pairs_that_are_equal(a: list[int], b: list[int]) -> None:
    found = n_equal_draws(np.array(sorted(a), np.uint32), np.array(sorted(b), np.uint32))
    assert found == sum(x == y for x in a for y in b)


@given(OWNED, st.sampled_from([0, 2**48 - 9]))
def test_every_pair_shares_its_distinct_values(owned: list[list[int]], base: int) -> None:
    keys = [((base + value) << int(OWNER_BITS)) | owner for owner, values in enumerate(owned) for value in values]
    shared = np.zeros((len(owned), len(owned)), np.int64)
    count_pairs(np.sort(np.array(keys, np.uint64)), shared, np.empty(len(owned), np.int64))
    for (i, a), (j, b) in combinations(enumerate(owned), 2):
        assert shared[i, j] == len({*a} & {*b})
    assert np.tril(shared).sum() == 0


@given(OWNED)
def test_products_of_counts_add_up_by_key(owned: list[list[int]]) -> None:
    rows = sorted((key, owner, values.count(key)) for owner, values in enumerate(owned) for key in sorted({*values}))
    keys, owners, counts = (np.array([row[i] for row in rows]) for i in range(3))
    total = np.zeros((len(owned), len(owned)))
    weights = 1.0 / (1 + keys.astype(np.float64))
    sum_pairs(keys.astype(np.uint64), owners.astype(np.int32), counts.astype(np.float64), weights, total)
    for (i, a), (j, b) in combinations(enumerate(owned), 2):
        assert total[i, j] == pytest.approx(sum(a.count(key) * b.count(key) / (1 + key) for key in range(9)))


def test_sums_leave_out_what_is_not_finite() -> None:
    values = np.array([1.0, math.nan, -3.0, math.inf, -math.inf, 5.0])
    assert add_finite(values, 0.0, 1) == (3.0, 3.0)
    assert add_finite(values, 1.0, 2) == (0.0 + 16.0 + 16.0, 3.0)
    assert add_finite(np.empty(0), 0.0, 2) == (0.0, 0.0)
