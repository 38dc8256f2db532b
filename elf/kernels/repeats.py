"""How far back the same bit pattern last occurred, counted by powers of two, in one pass over few cache lines.

Patterns are looked up in parts that a hash makes about equally large, so that the table of last positions stays in the
processor's caches; each part costs one reading of all patterns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.kernels import kernel

DISTANCES = 64
"""Counts: place 0 for first sightings, place 1 + k for distances from 2**k to 2**(k + 1) - 1."""

TABLE_BITS = 21
"""Entries of the table of last positions: 8 or 12 bytes each."""


@kernel
def _mixed(pattern):  # type: ignore[no-untyped-def]
    """The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection that spreads patterns evenly."""
    z = np.uint64(pattern)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def _count_part(patterns, bits, part, keys, last, counts):  # type: ignore[no-untyped-def]
    """Count the patterns of one part of 2**bits; False when they are too many for the table."""
    mask, room = np.uint64(last.size - 1), last.size // 4 * 3
    used = 0
    for i in range(patterns.size):
        hashed = _mixed(patterns[i])
        if hashed & np.uint64((1 << bits) - 1) != part:
            continue
        slot = (hashed >> np.uint64(bits)) & mask
        while last[slot] >= 0 and keys[slot] != patterns[i]:
            slot = (slot + np.uint64(1)) & mask
        place = 0
        if last[slot] >= 0:
            distance = i - last[slot]
            while distance:
                distance >>= 1
                place += 1
        else:
            used += 1
            if used > room:
                return False
            keys[slot] = patterns[i]
        last[slot] = i
        counts[place] += 1
    return True


def count_repeats(patterns: NDArray[np.unsignedinteger[Any]], table_bits: int = TABLE_BITS) -> NDArray[np.int64]:
    """Counts, shape (DISTANCES,), over fewer than 2**31 patterns of one to eight bytes: see `DISTANCES`."""
    table_bits = min(table_bits, max(4, (2 * patterns.size).bit_length()))
    bits = max(0, (2 * patterns.size >> table_bits).bit_length())
    total = np.zeros(DISTANCES, np.int64)
    keys, last = np.empty(1 << table_bits, patterns.dtype), np.empty(1 << table_bits, np.int32)
    for part in range(1 << bits):
        counts = np.zeros(DISTANCES, np.int64)
        last.fill(-1)
        while not _count_part(patterns, bits, np.uint64(part), keys, last, counts):  # a part larger than the others
            keys, last = np.empty(2 * keys.size, keys.dtype), np.full(2 * last.size, -1, np.int32)
            counts[:] = 0
        total += counts
    return total
