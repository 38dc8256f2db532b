"""Distance encoding: one scan with a table value -> last position, and the scan back."""

from __future__ import annotations

from typing import Any

import numpy as np

from elf.kernels import kernel


@kernel
def _mixed(pattern: Any) -> Any:
    """A pattern's bits spread over 64 bits (the finalizer of SplitMix64)."""
    x = np.uint64(pattern)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def _append(stream: Any, position: Any, number: Any, width: Any) -> Any:
    """Write the lowest `width` bits of `number`, highest first, into the zeroed `stream` from bit `position` on."""
    for i in range(width):
        bit = (number >> np.uint64(width - 1 - i)) & np.uint64(1)
        stream[position >> 3] |= np.uint8(bit << np.uint64(7 - (position & 7)))
        position += 1
    return position


@kernel
def _read(stream: Any, position: Any, width: Any) -> Any:
    """The `width` bits from bit `position` on, which must lie within `stream`."""
    number = np.uint64(0)
    for _ in range(width):
        bit = (np.uint64(stream[position >> 3]) >> np.uint64(7 - (position & 7))) & np.uint64(1)
        number = (number << np.uint64(1)) | bit
        position += 1
    return number


@kernel
def encode(bits: Any, slots: Any, stream: Any, distinct: Any, field: Any) -> Any:
    """Fill `stream` and `distinct`; return the number of bits and of distinct patterns used.

    `bits` unsigned, shape (n,); `slots` int64, all -1, a power of two of at least 2 n places; `stream` zeroed uint8 of
    at least n * (1 + field + the length of n) bits; `distinct` like `bits`; `field` the bits that hold a distance's
    length.
    """
    position = np.int64(0)
    found = np.int64(0)
    mask = np.uint64(slots.size - 1)
    for i in range(bits.size):
        slot = _mixed(bits[i]) & mask
        while slots[slot] >= 0 and bits[slots[slot]] != bits[i]:
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] < 0:
            distinct[found] = bits[i]
            found += 1
            position += 1
        else:
            distance = np.uint64(i - slots[slot])
            length = 0
            while distance >> np.uint64(length):
                length += 1
            position = _append(stream, position, np.uint64(1), 1)
            position = _append(stream, position, np.uint64(length), field)
            position = _append(stream, position, distance, length)
        slots[slot] = i
    return position, found


@kernel
def decode(stream: Any, distinct: Any, field: Any, bits: Any) -> Any:
    """Fill `bits`; return the number of bits and of distinct patterns read, or -1 and -1 for a damaged stream."""
    end = np.int64(stream.size) * 8
    position = np.int64(0)
    found = np.int64(0)
    for i in range(bits.size):
        if position >= end:
            return -1, -1
        repeated = _read(stream, position, 1)
        position += 1
        if not repeated:
            if found >= distinct.size:
                return -1, -1
            bits[i] = distinct[found]
            found += 1
            continue
        if position + field > end:
            return -1, -1
        length = np.int64(_read(stream, position, field))
        position += field
        if position + length > end:
            return -1, -1
        distance = np.int64(_read(stream, position, length))
        position += length
        if distance < 1 or distance > i:
            return -1, -1
        bits[i] = bits[i - distance]
    return position, found
