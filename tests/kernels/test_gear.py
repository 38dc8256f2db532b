from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elf.kernels.gear import TABLE, WINDOW, candidates

DATA = np.random.default_rng(11).integers(0, 256, 5_000, np.uint8)


def slow_hash(data: np.ndarray, position: int) -> int:
    """The definition: the sum over the last 64 bytes before `position`, the nearest first."""
    window = data[max(position - WINDOW, 0) : position][::-1]
    return sum(int(TABLE[byte]) << i for i, byte in enumerate(window)) % 2**64


def slow_candidates(data: np.ndarray, start: int, stop: int, bits: int) -> list[tuple[int, int]]:
    hashes = ((position, slow_hash(data, position)) for position in range(start + 1, stop + 1))
    return [(position, value) for position, value in hashes if value >> (64 - bits) == 0]


def pairs(found: tuple[np.ndarray, np.ndarray]) -> list[tuple[int, int]]:
    return list(zip(found[0].tolist(), found[1].tolist(), strict=True))


@given(st.integers(0, 600), st.integers(0, 600), st.integers(1, 8))
def test_candidates_are_where_the_top_bits_of_the_definition_are_zero(start: int, size: int, bits: int) -> None:
    assert pairs(candidates(DATA, start, start + size, bits)) == slow_candidates(DATA, start, start + size, bits)


@given(st.lists(st.integers(0, DATA.size), max_size=6))
def test_a_scan_in_pieces_finds_what_a_scan_in_one_finds(cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), DATA.size]
    pieces = [pair for start, stop in pairwise(bounds) for pair in pairs(candidates(DATA, start, stop, 5))]
    assert pieces == pairs(candidates(DATA, 0, DATA.size, 5))


def test_what_lies_more_than_a_window_back_does_not_matter() -> None:
    other = DATA.copy()
    other[:1000] ^= 255
    found, again = (pairs(candidates(data, 1000 + WINDOW, DATA.size, 4)) for data in (DATA, other))
    assert found == again


def test_a_candidate_at_every_byte_fits() -> None:
    """The worst case: bytes of which every hash begins with a zero bit."""
    byte = next(byte for byte in range(256) if (2**64 - int(TABLE[byte])) >> 63 == 0)
    data = np.full(1001, byte, np.uint8)
    assert candidates(data, WINDOW, data.size, 1)[0].tolist() == list(range(WINDOW + 1, data.size + 1))


@pytest.mark.parametrize(
    ("entry", "value"), [(0, 0xE220A8397B1DCDAF), (1, 0x6E789E6AA1B965F4), (255, 0x5A5832BB47BCF19E)]
)
def test_the_table_never_changes(entry: int, value: int) -> None:
    """The first entries are the published first outputs of SplitMix64 for seed 0."""
    assert int(TABLE[entry]) == value


def test_no_two_bytes_share_a_table_entry() -> None:
    assert len(set(TABLE.tolist())) == 256
