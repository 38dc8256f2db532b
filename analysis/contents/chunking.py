"""Chunks of a file: fixed-size and content-defined, anchored at the file and at its tensors, hashed with XXH3-128.

All rules see the file block by block and once: the gear hash marks the few places where any content-defined rule may
cut (elf.kernels.gear), each rule then picks its boundaries among them, and chunks of both anchors are hashed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import xxhash
from numpy.typing import NDArray

from elf.kernels.gear import WINDOW, candidates, cut
from elf.kernels.xxh3 import LONGEST_SHORT, hash_long_ranges
from elf.tensor import Tensor

ANCHORS = ("file", "tensor")
BLOCK_BYTES = 1 << 23


@dataclass(frozen=True)
class Rule:
    """Where a chunk ends: at the first place, `minimum` bytes or more on, where the top bits of the gear hash are zero.

    `strict_bits` of them before `average` bytes, `loose_bits` from there on; at `maximum` bytes at the latest. With
    0 bits the content is not asked: every chunk has `maximum` bytes.
    """

    name: str
    minimum: int
    average: int
    maximum: int
    strict_bits: int = 0
    loose_bits: int = 0

    def __post_init__(self) -> None:
        if self.loose_bits and self.minimum < WINDOW:
            raise ValueError(f"{self.name}: chunks of less than {WINDOW} bytes would depend on what precedes them")

    @property
    def limits(self) -> tuple[int, int, int, np.uint64, np.uint64]:
        """What the kernel is given: sizes in bytes, and the hash below which it cuts."""
        strict, loose = (np.uint64((1 << (64 - bits)) - (bits == 0)) for bits in (self.strict_bits, self.loose_bits))
        return self.minimum, self.average, self.maximum, strict, loose


def fixed(size: int) -> Rule:
    """Chunks of `size` bytes."""
    return Rule(f"fixed-{size}", size, size, size)


def fastcdc(average: int) -> Rule:
    """FastCDC with chunks of `average` bytes, a power of two of at least 256.

    Normalised chunking at level 2, minimum a quarter and maximum eight times the average (Xia et al., FastCDC, USENIX
    ATC 2016). The masks are the hash's top bits, which see 46 bytes and more, instead of bits spread over it.
    """
    bits = average.bit_length() - 1
    return Rule(f"fastcdc-{average}", average // 4, average, average * 8, bits + 2, bits - 2)


XET = Rule("xet", 8 << 10, 64 << 10, 128 << 10, 16, 16)
"""The sizes and the 16-bit mask that Hugging Face publishes for Xet. The gear table is ours, not Xet's: the same
statistics, but not the same boundaries byte for byte."""


@dataclass(frozen=True)
class Chunks:
    """Chunks of one part under one rule and anchor, in order: starts and lengths in bytes, halves of XXH3-128: (n,)."""

    rule: Rule
    anchor: str
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    high: NDArray[np.uint64]
    low: NDArray[np.uint64]


def tensor_stops(tensors: Sequence[Tensor], part: int, size: int) -> NDArray[np.int64]:
    """Where chunking restarts in a part of `size` bytes at the tensor anchor, rising, `size` last.

    That is before each tensor that is stored plain and is no alias, and before each gap between such tensors.
    """
    ranges = sorted((t.offset, t.offset + t.nbytes) for t in plain_tensors(tensors, part) if t.offset is not None)
    stops, covered = {size}, 0
    for start, stop in ranges:
        stops.add(start)
        if start > covered:
            stops.add(covered)
        covered = max(covered, stop)
    stops.add(covered)
    return np.array(sorted(stops - {0}), np.int64)


def plain_tensors(tensors: Sequence[Tensor], part: int) -> list[Tensor]:
    """The tensors with bytes of their own that lie in the part as they are."""
    return [t for t in tensors if t.part == part and t.offset is not None and t.alias_of is None and t.nbytes]


def blocks(size: int, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, int]]:
    """The (start, stop) of consecutive blocks that cover `size` bytes."""
    for start in range(0, size, block_bytes):
        yield start, min(start + block_bytes, size)


def digests(
    data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """High and low halves of XXH3-128 of data[start : start + length] for each range; all arrays (n,)."""
    high, low = hash_long_ranges(data, starts, lengths)
    for i in np.flatnonzero(lengths <= LONGEST_SHORT):
        high[i], low[i] = halves(xxhash.xxh3_128_intdigest(data[starts[i] : starts[i] + lengths[i]].data))
    return high, low


def halves(digest: int) -> tuple[int, int]:
    """The high and low 64 bits of a 128-bit digest."""
    return digest >> 64, digest & (2**64 - 1)


@dataclass
class _Cutter:
    """One rule at one anchor on its way through a part."""

    rule: Rule
    stops: NDArray[np.int64]
    start: int = 0
    segment: int = 0

    def advance(self, found: tuple[NDArray[np.int64], NDArray[np.uint64]], known: int) -> NDArray[np.int64]:
        """Boundaries of the chunks that are certain when all candidates up to `known` are: first start, then ends."""
        segments = int(np.searchsorted(self.stops, known, "right")) - self.segment
        bounds = np.empty((known - self.start) // self.rule.minimum + segments + 2, np.int64)
        bounds[0] = self.start
        count, self.segment, self.start = cut(
            *found, known, self.stops, self.segment, self.start, self.rule.limits, bounds[1:]
        )
        return bounds[: count + 1]


@dataclass
class _Candidates:
    """Candidates of the blocks seen so far that a cutter may still need."""

    bits: int
    positions: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    hashes: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))

    def extend(self, data: NDArray[np.uint8], start: int, stop: int, needed: int) -> None:
        """Forget candidates up to `needed`, find those in [start, stop)."""
        if not self.bits:
            return
        kept = slice(int(np.searchsorted(self.positions, needed, "right")), None)
        positions, hashes = candidates(data, start, stop, self.bits)
        self.positions = np.concatenate((self.positions[kept], positions))
        self.hashes = np.concatenate((self.hashes[kept], hashes))


class Chunker:
    """All chunks of one part under all rules and both anchors; bytes are looked at block by block, in order."""

    def __init__(self, data: NDArray[np.uint8], rules: Sequence[Rule], stops: NDArray[np.int64]) -> None:
        self._data = data
        whole = np.array([data.size], np.int64)[: data.size]
        self._cutters = [tuple(_Cutter(rule, at) for at in (whole, stops)) for rule in rules]
        self._candidates = _Candidates(min((rule.loose_bits for rule in rules if rule.loose_bits), default=0))

    def advance(self, start: int, stop: int) -> Iterator[Chunks]:
        """The chunks that became certain with bytes [start, stop), `start` being the last call's `stop`."""
        self._candidates.extend(self._data, start, stop, self.needed(start))
        found = self._candidates.positions, self._candidates.hashes
        for cutters in self._cutters:
            at_file, at_tensor = (cutter.advance(found, stop) for cutter in cutters)
            yield from self._hashed(cutters[0].rule, at_file, at_tensor)

    def needed(self, stop: int) -> int:
        """The first byte that chunks to come may have, after all bytes up to `stop` were looked at."""
        return min((cutter.start for cutters in self._cutters for cutter in cutters), default=stop)

    def _hashed(self, rule: Rule, at_file: NDArray[np.int64], at_tensor: NDArray[np.int64]) -> Iterator[Chunks]:
        starts, lengths = at_file[:-1], np.diff(at_file)
        high, low = digests(self._data, starts, lengths)
        yield Chunks(rule, ANCHORS[0], starts, lengths, high, low)
        own_starts, own_lengths = at_tensor[:-1], np.diff(at_tensor)
        twin = np.searchsorted(starts, own_starts) % max(starts.size, 1)
        same = _equal_at(starts, twin, own_starts) & _equal_at(lengths, twin, own_lengths)
        own_high, own_low = digests(self._data, own_starts[~same], own_lengths[~same])
        yield Chunks(
            rule,
            ANCHORS[1],
            own_starts,
            own_lengths,
            _merged(high, twin, same, own_high),
            _merged(low, twin, same, own_low),
        )


def _equal_at(values: NDArray[np.int64], places: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    return values[places] == others if values.size else np.zeros(others.size, np.bool_)


def _merged(
    shared: NDArray[np.uint64], places: NDArray[np.int64], same: NDArray[np.bool_], own: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    merged = np.empty(same.size, np.uint64)
    merged[same] = shared[places[same]]
    merged[~same] = own
    return merged
