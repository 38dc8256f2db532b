from __future__ import annotations

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from elf.kernels.xxh3 import LONGEST_SHORT, hash_long_ranges

DATA = np.random.default_rng(7).integers(0, 256, 20_000, np.uint8)


def hashed(data: np.ndarray, ranges: list[tuple[int, int]]) -> list[int]:
    starts, lengths = (np.array(column, np.int64) for column in zip(*ranges, strict=True))
    high, low = hash_long_ranges(data, starts, lengths)
    return [int(h) << 64 | int(x) for h, x in zip(high, low, strict=True)]


def expected(ranges: list[tuple[int, int]]) -> list[int]:
    return [xxhash.xxh3_128_intdigest(DATA[start : start + length].tobytes()) for start, length in ranges]


@given(st.lists(st.tuples(st.integers(0, 9_000), st.integers(LONGEST_SHORT + 1, 11_000)), min_size=1, max_size=8))
def test_hashes_are_those_of_the_xxhash_package_at_any_start_and_length(ranges: list[tuple[int, int]]) -> None:
    assert hashed(DATA, ranges) == expected(ranges)


@pytest.mark.parametrize("length", [241, 255, 256, 257, 1023, 1024, 1025, 1087, 1088, 1089, 2048, 2049, 4096, 16384])
def test_hashes_are_right_around_stripes_and_blocks(length: int) -> None:
    ranges = [(start, length) for start in range(9)]
    assert hashed(DATA, ranges) == expected(ranges)


def test_constant_bytes_are_hashed_right() -> None:
    for value in (0, 255):
        data = np.full(5000, value, np.uint8)
        assert hashed(data, [(0, 5000)]) == [xxhash.xxh3_128_intdigest(data.tobytes())]


def test_a_read_only_buffer_is_hashed_like_a_writable_one() -> None:
    data = DATA.copy()
    data.flags.writeable = False
    assert hashed(data, [(1, 3000)]) == hashed(DATA, [(1, 3000)])


def test_short_ranges_are_left_to_others() -> None:
    assert hashed(DATA, [(0, LONGEST_SHORT), (5, 0)]) == [0, 0]


@pytest.mark.parametrize(("start", "length"), [(-1, 300), (19_900, 300), (0, 20_001), (500, -400), (2**62, 2**62)])
def test_a_range_that_leaves_the_data_is_refused(start: int, length: int) -> None:
    with pytest.raises(ValueError, match="outside the data"):
        hash_long_ranges(DATA, np.array([start]), np.array([length]))


def test_no_ranges_give_no_hashes() -> None:
    none = np.empty(0, np.int64)
    assert [half.size for half in hash_long_ranges(DATA, none, none)] == [0, 0]
