"""The kernels of MinHash give what datasketch gives, bit for bit, and hash shingles so that equal ones alone agree."""

from __future__ import annotations

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from elf.kernels.minhash import BLOCK, EMPTY, hash_placed, hash_values, update

HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=40)
MASK = 2**64 - 1


def reference(hashes: list[int], permutations: int, seed: int) -> MinHash:
    made = MinHash(permutations, seed, scheme="affine64", hashfunc=int)
    made.update_batch(hashes)
    return made


def signature(pieces: list[list[int]], permutations: int, seed: int) -> np.ndarray:
    factors = np.asarray(MinHash(permutations, seed, scheme="affine64").permutations, np.uint64)
    found = np.full(permutations, EMPTY)
    for piece in pieces:
        update(found, np.array(piece, np.uint64), factors)
    return found


@given(st.lists(HASHES, max_size=4), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_signatures_are_those_of_datasketch_in_any_pieces(pieces: list[list[int]], n: int, seed: int) -> None:
    everything = [h for piece in pieces for h in piece]
    assert signature(pieces, n, seed).tolist() == reference(everything, n, seed).hashvalues.tolist()


@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK, 2 * BLOCK + 3])
def test_blocks_change_nothing(n: int) -> None:
    hashes = np.random.default_rng(n).integers(0, 2**64, n, np.uint64).tolist()
    assert signature([hashes], 128, 1).tolist() == reference(hashes, 128, 1).hashvalues.tolist()


def fmix(h: int) -> int:
    """The finalizer of MurmurHash3, 64 bits."""
    h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCD & MASK
    h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53 & MASK
    return h ^ (h >> 33)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_shingles_hash_as_written_down(dtype: type) -> None:
    patterns = np.array([0, 1, np.iinfo(dtype).max, 7, 0], dtype)
    seed, start = 0x123456789ABCDEF0, 1000
    values, placed = np.empty(5, np.uint64), np.empty(5, np.uint64)
    hash_values(patterns, np.uint64(seed), values)
    hash_placed(patterns, np.uint64(start), np.uint64(seed), placed)
    assert values.tolist() == [fmix(seed ^ p) for p in patterns.tolist()]
    places = [fmix(seed ^ ((start + i) * 0x9E3779B97F4A7C15 & MASK)) for i in range(5)]
    assert placed.tolist() == [fmix(place ^ p) for place, p in zip(places, patterns.tolist(), strict=True)]


def test_hashes_of_many_places_and_values_are_distinct() -> None:
    hashes = np.empty((64, 4096), np.uint64)
    for value in range(64):
        hash_placed(np.full(4096, value, np.uint32), np.uint64(0), np.uint64(5), hashes[value])
    assert np.unique(hashes).size == hashes.size
