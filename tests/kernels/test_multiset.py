"""The hash of a multiset sees values and how often they occur, and not their order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elf.kernels.multiset import multiset_hash

VALUES = st.lists(st.integers(0, 2**16 - 1), max_size=30)


@given(VALUES, VALUES)
def test_equal_hashes_are_equal_multisets(one: list[int], two: list[int]) -> None:
    same = multiset_hash(np.array(one, np.uint16)) == multiset_hash(np.array(two, np.uint16))
    assert same == (sorted(one) == sorted(two))


@given(VALUES, st.randoms(use_true_random=False))
def test_order_does_not_matter(values: list[int], random: object) -> None:
    other = values.copy()
    random.shuffle(other)  # type: ignore[attr-defined]
    assert multiset_hash(np.array(values, np.uint32)) == multiset_hash(np.array(other, np.uint32))


def test_bits_are_hashed_and_not_values() -> None:
    zeros = np.array([0.0, -0.0], np.float32).view(np.uint32)
    assert multiset_hash(zeros[:1]) != multiset_hash(zeros[1:])
