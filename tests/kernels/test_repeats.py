"""Distances between repeats agree with a dictionary of last positions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from elf.codecs.distance import Distance
from elf.codecs.varint import varint
from elf.kernels.repeats import DISTANCES, count_repeats


def oracle(patterns: NDArray[np.unsignedinteger]) -> list[int]:
    last: dict[int, int] = {}
    counts: Counter[int] = Counter()
    for place, pattern in enumerate(patterns.tolist()):
        counts[(place - last[pattern]).bit_length() if pattern in last else 0] += 1
        last[pattern] = place
    return [counts[place] for place in range(DISTANCES)]


@given(
    st.lists(st.integers(0, 9) | st.integers(0, 2**64 - 1), max_size=300),
    st.sampled_from([np.uint8, np.uint16, np.uint32, np.uint64]),
    st.integers(4, 12),
)
def test_repeats_count_like_the_oracle(numbers: list[int], kind: type[np.unsignedinteger], table_bits: int) -> None:
    patterns = np.array(numbers, np.uint64).astype(kind)
    assert count_repeats(patterns, table_bits).tolist() == oracle(patterns)


def test_a_part_with_more_patterns_than_the_table_has_room_for_is_counted_all_the_same() -> None:
    patterns = np.random.default_rng(1).permutation(np.repeat(np.arange(3000, dtype=np.uint32), 2))
    assert count_repeats(patterns, table_bits=4).tolist() == oracle(patterns)


def test_no_pattern_has_no_distance() -> None:
    assert count_repeats(np.empty(0, np.uint32)).sum() == 0


@pytest.mark.parametrize("dtype", ["f16", "f32", "i64", "u8"])
def test_the_distances_tell_what_distance_encoding_takes_to_the_bit(dtype: str) -> None:
    kind = {"f16": np.uint16, "f32": np.uint32, "i64": np.uint64, "u8": np.uint8}[dtype]
    bits = np.random.default_rng(2).integers(0, 200, 5000).astype(kind)
    values = bits.view({"f16": np.float16, "f32": np.float32, "i64": np.int64, "u8": np.uint8}[dtype])
    counts = count_repeats(bits)
    repeats = sum(int(counts[place]) * (1 + 5 + place) for place in range(1, DISTANCES))
    size = len(varint(int(counts[0]))) + int(counts[0]) * bits.itemsize + -(-(int(counts[0]) + repeats) // 8)
    assert len(Distance().encode(values, dtype)) == size
