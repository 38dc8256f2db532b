"""Features are the largest numbers that a chunk's windows give: equal for equal chunks, often for similar ones."""

from __future__ import annotations

import numpy as np
import pytest

from elf.kernels.gear import TABLE, WINDOW
from elf.kernels.resemblance import ADDENDS, FEATURES, MULTIPLIERS, features, super_features

MASK = 2**64 - 1
RNG = np.random.default_rng(20261126)


def one_by_one(chunk: bytes, sampled_bits: int) -> list[int]:
    hashes, h = [], 0
    for i, byte in enumerate(chunk):
        h = ((h << 1) + int(TABLE[byte])) & MASK
        if i + 1 >= WINDOW and h >> (64 - sampled_bits) == 0:
            hashes.append(h)
    numbers = list(zip(MULTIPLIERS.tolist(), ADDENDS.tolist(), strict=True))
    return [max((m * h + a) & MASK for h in hashes or [h]) for m, a in numbers]


def of(chunk: bytes, sampled_bits: int) -> list[int]:
    data = np.frombuffer(chunk, np.uint8)
    return features(data, np.array([0]), np.array([len(chunk)]), sampled_bits)[0].tolist()


@pytest.mark.parametrize("bits", [0, 3, 7])
@pytest.mark.parametrize("size", [1, 5, 63, 64, 65, 300, 2000])
def test_features_are_those_of_a_slow_search(size: int, bits: int) -> None:
    chunk = RNG.bytes(size)
    assert of(chunk, bits) == one_by_one(chunk, bits)


@pytest.mark.parametrize("bits", [0, 7])
def test_a_chunk_has_the_same_features_wherever_it_lies(bits: int) -> None:
    chunk = RNG.bytes(4000)
    data = np.frombuffer(RNG.bytes(123) + chunk + RNG.bytes(45) + chunk, np.uint8)
    starts = np.array([123, 123 + 4000 + 45])
    found = features(data, starts, np.array([4000, 4000]), bits)
    assert found[0].tolist() == found[1].tolist() == of(chunk, bits)


@pytest.mark.parametrize("bits", [0, 7])
def test_similar_chunks_share_a_super_feature_and_strangers_do_not(bits: int) -> None:
    chunk = bytearray(RNG.bytes(8000))
    similar = bytearray(chunk)
    similar[100:120] = RNG.bytes(20)
    one, two, stranger = (
        super_features(np.array([of(bytes(data), bits)], np.uint64), 3)[0].tolist()
        for data in (chunk, similar, RNG.bytes(8000))
    )
    assert any(a == b for a, b in zip(one, two, strict=True))
    assert not any(a == b for a, b in zip(one, stranger, strict=True))


def test_super_features_depend_on_each_of_their_features() -> None:
    found = RNG.integers(0, 2**63, (1, FEATURES), np.uint64)
    whole = super_features(found, 3)
    for i in range(FEATURES):
        other = found.copy()
        other[0, i] ^= np.uint64(1)
        changed = super_features(other, 3) != whole
        assert np.flatnonzero(changed[0]).tolist() == [i // (FEATURES // 3)]
