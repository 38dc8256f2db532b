from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from elf.kernels.distinct import (
    PAGE_BITS,
    PAGE_STARTS,
    PAGES,
    PatternSet,
    count_patterns,
    distinct_in_place,
    mark_pages,
    select_pages,
    select_part,
)


def arrays(dtype: str) -> st.SearchStrategy[np.ndarray]:
    """Arrays with many repeats and with patterns from the whole range."""
    top = np.iinfo(dtype).max
    few = st.sampled_from([0, 1, 63, 64, 65, top, top - 1, top // 2, top // 2 + 1])
    return nps.arrays(dtype, st.integers(0, 200), elements=st.one_of(few, st.integers(0, top)))


def filled(elements: np.ndarray, room: int) -> PatternSet:
    patterns = PatternSet(room)
    assert patterns.reserve(np.unique(elements >> PAGE_BITS))
    patterns.add(elements)
    return patterns


@given(st.sampled_from(["u1", "u2"]).flatmap(arrays))
def test_every_pattern_of_a_small_type_is_counted(elements: np.ndarray) -> None:
    counts = np.zeros(1 << (8 * elements.itemsize), np.int64)
    count_patterns(elements, counts)
    assert counts.tolist() == np.bincount(elements, minlength=counts.size).tolist()


@given(st.sampled_from(["u4", "u8"]).flatmap(arrays))
def test_distinct_elements_are_those_of_numpy(elements: np.ndarray) -> None:
    assert distinct_in_place(elements.copy()).tolist() == np.unique(elements).tolist()


@given(arrays("u4"))
def test_a_pattern_set_gives_back_what_was_added(elements: np.ndarray) -> None:
    patterns = filled(elements, 200)
    assert [value for found in patterns.drain(1) for value in found] == np.unique(elements).tolist()
    assert list(patterns.drain(1)) == []


@given(arrays("u4"), arrays("u4"))
def test_a_pattern_set_can_be_used_again_after_it_was_emptied(first: np.ndarray, second: np.ndarray) -> None:
    patterns = filled(first, 200)
    list(patterns.drain(1))
    assert patterns.reserve(np.unique(second >> PAGE_BITS))
    patterns.add(second)
    assert [value for found in patterns.drain(1 << 20) for value in found] == np.unique(second).tolist()


def test_a_full_page_is_given_back_whole() -> None:
    page = np.arange(3 << PAGE_BITS, 4 << PAGE_BITS, dtype=np.uint32)
    (found,) = filled(page, 1).drain(1)
    assert np.array_equal(found, page)


def test_a_pattern_set_without_room_says_so_and_stays_as_it_is() -> None:
    patterns = PatternSet(2)
    assert patterns.reserve(np.array([5, 7]))
    assert not patterns.reserve(np.array([7, 8]))
    assert patterns.reserve(np.array([7, 5]))
    patterns.add(np.array([5 << PAGE_BITS, 8 << PAGE_BITS], np.uint32))
    assert [found.tolist() for found in patterns.drain(1)] == [[5 << PAGE_BITS]]


@given(arrays("u4"))
def test_the_pages_of_elements_are_marked(elements: np.ndarray) -> None:
    used = np.zeros(PAGES, np.bool_)
    mark_pages(elements, used)
    assert np.flatnonzero(used).tolist() == np.unique(elements >> PAGE_BITS).tolist()


def test_page_starts_cover_all_patterns() -> None:
    assert PAGE_STARTS[0] == 0
    assert (np.diff(PAGE_STARTS.astype(np.int64)) == 1 << PAGE_BITS).all()
    assert int(PAGE_STARTS[-1]) + (1 << PAGE_BITS) == 1 << 32


@given(arrays("u4"), arrays("u4"))
def test_pouring_a_set_into_another_counts_it_and_leaves_it_empty(first: np.ndarray, second: np.ndarray) -> None:
    patterns, into = filled(first, 200), filled(second, 400)
    assert into.reserve(np.unique(first >> PAGE_BITS))
    assert patterns.pour(into) == len(np.unique(first))
    assert list(patterns.drain(1)) == []
    assert [value for found in into.drain(1) for value in found] == np.union1d(first, second).tolist()


@given(arrays("u4"), st.integers(0, PAGES - 1), st.integers(0, PAGES - 1))
def test_elements_of_a_range_of_pages_are_selected_in_order_and_in_place(elements: np.ndarray, a: int, b: int) -> None:
    first, last = min(a, b), max(a, b)
    expected = [value for value in elements.tolist() if first <= value >> PAGE_BITS <= last]
    assert elements[: select_pages(elements, first, last, elements)].tolist() == expected


def parts_of(elements: np.ndarray, bits: int) -> list[np.ndarray]:
    room = np.empty_like(elements)
    return [room[: select_part(elements, bits, part, room)].copy() for part in range(1 << bits)]


@given(arrays("u8"), st.integers(1, 4))
def test_parts_share_no_pattern_and_hold_every_element(elements: np.ndarray, bits: int) -> None:
    parts = parts_of(elements, bits)
    assert sorted(np.concatenate(parts).tolist()) == sorted(elements.tolist())
    assert sum(len(set(part.tolist())) for part in parts) == len(set(elements.tolist()))


@pytest.mark.parametrize("kind", ["f8", "i8"])
def test_parts_of_usual_values_are_about_equally_large(kind: str) -> None:
    sizes = [part.size for part in parts_of(np.arange(20_000).astype(kind).view(np.uint64), 3)]
    assert max(sizes) < 2 * min(sizes)
