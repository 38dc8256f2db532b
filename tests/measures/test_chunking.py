from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from analysis.contents.chunking import XET, Chunker, Chunks, Rule, blocks, digests, fastcdc, fixed, tensor_stops
from elf.kernels.gear import TABLE
from elf.tensor import Tensor

SMALL = [fixed(256), fixed(1000), fastcdc(256), fastcdc(1024), Rule("plain", 100, 300, 700, 8, 8)]
DEFAULT = [*map(fixed, (512, 4096, 65536, 1 << 20)), *map(fastcdc, (4096, 65536)), XET]


def noise(size: int, seed: int = 0) -> np.ndarray:
    """The same bytes with every version of every library."""
    z = (np.arange(size // 8 + 1, dtype=np.uint64) + np.uint64(seed << 40)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(31))) * np.uint64(0xD6E8FEB86659FD93)
    return (z ^ (z >> np.uint64(29))).view(np.uint8)[:size].copy()


def weights(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, size // 4 + 1).astype(np.float32).view(np.uint8)[:size].copy()


def tensor(offset: int, nbytes: int, name: str = "", **other: object) -> Tensor:
    return Tensor(name or f"at{offset}", "u8", (nbytes,), nbytes, nbytes, offset, **other)  # type: ignore[arg-type]


def slow_ends(data: np.ndarray, rule: Rule, stops: Sequence[int]) -> list[int]:
    """The textbook: one byte after the other, the hash starting anew with each chunk."""
    ends, start = [], 0
    for stop in stops:
        while start < stop:
            h, end = 0, min(start + rule.maximum, stop)
            for position in range(start + 1, end):
                h = ((h << 1) + int(TABLE[data[position - 1]])) % 2**64
                length = position - start
                bits = rule.strict_bits if length < rule.average else rule.loose_bits
                if length >= rule.minimum and bits and h >> (64 - bits) == 0:
                    end = position
                    break
            ends.append(end)
            start = end
    return ends


def chunked(
    data: np.ndarray, rules: Sequence[Rule], stops: Sequence[int], block: int = 1 << 24
) -> dict[tuple[str, str], Chunks]:
    """All chunks by (rule, anchor), whatever the blocks they came in."""
    pieces: dict[tuple[str, str], list[Chunks]] = {}
    chunker = Chunker(data, rules, np.array(stops, np.int64))
    for start, stop in blocks(data.size, block):
        for chunks in chunker.advance(start, stop):
            pieces.setdefault((chunks.rule.name, chunks.anchor), []).append(chunks)
    return {key: joined(found) for key, found in pieces.items()}


def joined(found: list[Chunks]) -> Chunks:
    columns = (
        np.concatenate([getattr(piece, name) for piece in found]) for name in ("starts", "lengths", "high", "low")
    )
    return Chunks(found[0].rule, found[0].anchor, *columns)


def ends(chunks: Chunks) -> list[int]:
    return (chunks.starts + chunks.lengths).tolist()


def hashes(chunks: Chunks) -> list[tuple[int, int]]:
    return list(zip(chunks.high.tolist(), chunks.low.tolist(), strict=True))


def same(one: dict[tuple[str, str], Chunks], other: dict[tuple[str, str], Chunks]) -> bool:
    return one.keys() == other.keys() and all(
        ends(one[key]) == ends(other[key]) and hashes(one[key]) == hashes(other[key]) for key in one
    )


STOPS = st.sets(st.integers(1, 5_999), max_size=5).map(lambda cuts: [*sorted(cuts), 6_000])
CONTENT = st.sampled_from(
    [
        noise(6_000),
        weights(6_000),
        np.zeros(6_000, np.uint8),
        np.tile(noise(97), 62)[:6_000],
        np.full(6_000, 255, np.uint8),
    ]
)


@given(CONTENT, STOPS, st.sampled_from(SMALL))
def test_boundaries_are_those_of_the_textbook(data: np.ndarray, stops: list[int], rule: Rule) -> None:
    found = chunked(data, [rule], stops)
    assert ends(found[rule.name, "file"]) == slow_ends(data, rule, [data.size])
    assert ends(found[rule.name, "tensor"]) == slow_ends(data, rule, stops)


@given(CONTENT, STOPS, st.integers(97, 6_001))
def test_blocks_of_any_size_give_the_same_chunks(data: np.ndarray, stops: list[int], block: int) -> None:
    assert same(chunked(data, SMALL, stops, block), chunked(data, SMALL, stops))


def test_one_byte_after_the_other_gives_the_same_chunks() -> None:
    data = noise(1_500)
    assert same(chunked(data, SMALL, [401, 1_500], 1), chunked(data, SMALL, [401, 1_500]))


@given(CONTENT, STOPS)
def test_chunks_cover_every_byte_once_and_have_the_hash_of_their_bytes(data: np.ndarray, stops: list[int]) -> None:
    for chunks in chunked(data, SMALL, stops, 1_777).values():
        assert chunks.starts.tolist() == [0, *ends(chunks)[:-1]]
        assert ends(chunks)[-1] == data.size
        for start, end, high, low in zip(chunks.starts, ends(chunks), chunks.high, chunks.low, strict=True):
            assert int(high) << 64 | int(low) == xxhash.xxh3_128_intdigest(data[start:end].tobytes())


@given(CONTENT, STOPS)
def test_only_the_last_chunk_before_a_stop_is_shorter_than_the_minimum(data: np.ndarray, stops: list[int]) -> None:
    for chunks in chunked(data, SMALL, stops).values():
        before_stop = np.isin(ends(chunks), stops if chunks.anchor == "tensor" else [data.size])
        assert (chunks.lengths[~before_stop] >= chunks.rule.minimum).all()
        assert (chunks.lengths <= chunks.rule.maximum).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rule", [fastcdc(256), fastcdc(1024), Rule("plain", 100, 300, 700, 8, 8)])
def test_an_insertion_changes_only_chunks_near_it(rule: Rule, seed: int) -> None:
    data = noise(400_000, seed)
    at = 123_456 + seed
    longer = np.concatenate([data[:at], noise(7, seed + 50), data[at:]])
    before, after = (chunked(each, [rule], [each.size])[rule.name, "file"] for each in (data, longer))
    head = [end for end in ends(before) if end <= at]
    assert ends(after)[: len(head)] == head
    gone = set(hashes(before)) - set(hashes(after))
    assert 1 <= len(gone) <= 12


@pytest.mark.parametrize("offset", [1, 63, 4_096, 50_001])
def test_the_same_tensor_in_two_files_gives_the_same_chunks_at_the_tensor_anchor(offset: int) -> None:
    shared = weights(300_000, 5)
    found = []
    for seed, start in ((1, 777), (2, offset)):
        data = np.concatenate([noise(start, seed), shared, noise(1_000, seed + 9)])
        chunks = chunked(data, DEFAULT, tensor_stops([tensor(start, shared.size)], 0, data.size))
        inside = [
            (c, (c.starts >= start) & (c.starts < start + shared.size)) for c in chunks.values() if c.anchor == "tensor"
        ]
        found.append([(c.high[keep].tolist(), c.low[keep].tolist(), c.lengths[keep].tolist()) for c, keep in inside])
    assert found[0] == found[1]
    assert all(sum(lengths) == shared.size for _, _, lengths in found[0])


@pytest.mark.parametrize(
    ("rule", "count", "digest"),
    [
        (fastcdc(4096), 1726, "75f846fa7c23c01b"),
        (fastcdc(65536), 110, "8c2d73aa28d6a4b4"),
        (XET, 140, "d0dff4d24223fd4d"),
    ],
)
def test_boundaries_never_change(rule: Rule, count: int, digest: str) -> None:
    """Another boundary is another shard: whoever changes one must raise the measure's version."""
    found = chunked(noise(4_000_000), [rule], [1_000_003, 1_000_100, 4_000_000])
    both = ends(found[rule.name, "file"]) + ends(found[rule.name, "tensor"])
    assert (len(both), hashlib.sha256(",".join(map(str, both)).encode()).hexdigest()[:16]) == (count, digest)


@pytest.mark.parametrize("rule", [fastcdc(4096), fastcdc(65536), XET])
def test_chunks_are_about_as_long_as_their_rule_says(rule: Rule) -> None:
    lengths = chunked(noise(8_000_000), [rule], [8_000_000])[rule.name, "file"].lengths
    assert rule.average * 0.8 < lengths.mean() < rule.average * 1.3


def test_xet_has_the_published_sizes() -> None:
    assert (XET.minimum, XET.average, XET.maximum, XET.strict_bits, XET.loose_bits) == (8192, 65536, 131072, 16, 16)


def test_fastcdc_is_normalised_at_level_two() -> None:
    assert fastcdc(8192) == Rule("fastcdc-8192", 2048, 8192, 65536, 15, 11)


def test_a_rule_whose_chunks_would_depend_on_what_precedes_them_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        Rule("short", 63, 128, 256, 7, 7)


def test_no_bytes_have_no_chunks() -> None:
    assert chunked(np.empty(0, np.uint8), SMALL, []) == {}


def test_without_rules_there_are_no_chunks_and_nothing_is_needed() -> None:
    chunker = Chunker(noise(100), [], np.array([100]))
    assert list(chunker.advance(0, 100)) == []


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 1_100)), min_size=1, max_size=10))
def test_digests_of_short_and_long_ranges_are_those_of_the_xxhash_package(ranges: list[tuple[int, int]]) -> None:
    data = noise(2_000)
    starts, lengths = (np.array(column, np.int64) for column in zip(*ranges, strict=True))
    high, low = digests(data, starts, lengths)
    for i, (start, length) in enumerate(ranges):
        assert int(high[i]) << 64 | int(low[i]) == xxhash.xxh3_128_intdigest(data[start : start + length].tobytes())


class TestTensorStops:
    def test_each_tensor_and_each_gap_starts_anew(self) -> None:
        tensors = [tensor(8, 100), tensor(108, 50), tensor(200, 10)]
        assert tensor_stops(tensors, 0, 300).tolist() == [8, 108, 158, 200, 210, 300]

    def test_no_tensors_are_one_stretch(self) -> None:
        assert tensor_stops([], 0, 300).tolist() == [300]

    def test_an_empty_part_has_none(self) -> None:
        assert tensor_stops([], 0, 0).tolist() == []

    def test_order_of_the_tensors_does_not_matter(self) -> None:
        assert tensor_stops([tensor(108, 50), tensor(8, 100)], 0, 158).tolist() == [8, 108, 158]

    def test_aliases_empty_tensors_other_parts_and_encoded_ones_do_not_count(self) -> None:
        tensors = [
            tensor(10, 20, "own"),
            tensor(15, 5, "alias", alias_of="own"),
            tensor(40, 0, "empty"),
            tensor(50, 5, "elsewhere", part=1),
            Tensor("encoded", "u8", (9,), 9, 5),
        ]
        assert tensor_stops(tensors, 0, 60).tolist() == [10, 30, 60]
        assert tensor_stops(tensors, 1, 60).tolist() == [50, 55, 60]


def test_blocks_cover_the_bytes() -> None:
    assert list(blocks(10, 4)) == [(0, 4), (4, 8), (8, 10)]
    assert list(blocks(0, 4)) == []
