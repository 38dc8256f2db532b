"""The gear hash, and chunk boundaries from it: one pass over the bytes serves every rule of content-defined chunking.

The gear hash at a byte is sum of TABLE[byte i places back] << i, modulo 2**64 (Xia et al., Ddelta, 2014): it depends on
the last 64 bytes only. A rule cuts where the top bits of the hash are zero, so that all places where any rule may cut
are few and can be found once, in any number of pieces; which of them are boundaries is decided afterwards.

TABLE is ours: the first 256 outputs of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) seeded with 0. Chunks therefore
have the statistics of any other gear table's, but not byte for byte the boundaries of Hugging Face Xet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.kernels import kernel

WINDOW = 64
"""Bytes the hash depends on."""


def _splitmix64(count: int) -> NDArray[np.uint64]:
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


TABLE = _splitmix64(256)
ONE = np.uint64(1)


@kernel
def _warm(data, at, table):  # type: ignore[no-untyped-def]
    """The hash of the at most 64 bytes before data[at]."""
    h = np.uint64(0)
    for i in range(max(at - WINDOW, 0), at):
        h = (h << ONE) + table[data[i]]
    return h


@kernel
def _scan(data, start, stop, table, limit, positions, hashes):  # type: ignore[no-untyped-def]
    """Two places at once, since a single hash waits for itself; unsigned indices spare the test for negative ones."""
    half = (stop - start) // 2
    a, b = _warm(data, start, table), _warm(data, start + half, table)
    i, j = np.uint64(start), np.uint64(start + half)
    n, m = np.uint64(0), np.uint64(half)
    for k in range(np.uint64(0), np.uint64(half)):
        a = (a << ONE) + table[data[i + k]]
        b = (b << ONE) + table[data[j + k]]
        if a < limit:
            positions[n], hashes[n] = i + k, a
            n += ONE
        if b < limit:
            positions[m], hashes[m] = j + k, b
            m += ONE
    if (stop - start) % 2:
        b = (b << ONE) + table[data[stop - 1]]
        if b < limit:
            positions[m], hashes[m] = stop - 1, b
            m += ONE
    return n, m


def candidates(
    data: NDArray[np.uint8], start: int, stop: int, bits: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Where in [start, stop) the top `bits` bits of the gear hash are zero: (positions after that byte, hashes).

    Both have shape (n,), in rising order of position. Bytes before `start` are looked at, so that a scan in pieces
    finds what a scan in one finds.
    """
    # Room for the worst case, a candidate at every byte; memory is only taken where it is written.
    positions, hashes = np.empty(stop - start, np.int64), np.empty(stop - start, np.uint64)
    n, m = _scan(data, start, stop, TABLE, np.uint64(1 << (64 - bits)), positions, hashes)
    half = (stop - start) // 2
    found = np.concatenate((positions[:n], positions[half:m])) + 1
    return found, np.concatenate((hashes[:n], hashes[half:m]))


@kernel
def cut(
    positions: Any, hashes: Any, known: int, stops: Any, segment: int, start: int, rule: Any, ends: Any
) -> tuple[int, int, int]:
    """Chunk ends from `start` on, into `ends`; returns (count, segment, start) where candidates are lacking.

    `positions` and `hashes` are the candidates at positions in (start, known]. Chunking restarts at each of `stops`
    (rising, the last is the end of the data); `segment` indexes the first stop after `start`. `rule` is (minimum,
    average, maximum, strict, loose): a chunk ends at the first candidate at least `minimum` long whose hash is below
    `strict` when the chunk is shorter than `average`, below `loose` otherwise; at `maximum` at the latest.
    """
    minimum, average, maximum, strict, loose = rule
    count, i = 0, 0
    while segment < stops.size:
        last = min(start + maximum, stops[segment])
        if last > known:
            break
        while i < positions.size and positions[i] < start + minimum:
            i += 1
        end, j = last, i
        while j < positions.size and positions[j] < last:
            if hashes[j] < (strict if positions[j] - start < average else loose):
                end = positions[j]
                break
            j += 1
        ends[count] = end
        count += 1
        segment += end == stops[segment]
        start = end
    return count, segment, start
