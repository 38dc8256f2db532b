"""Which bit patterns occur among the elements of a tensor: exact, in bounded memory, faster than hashing.

8 and 16 bits are counted in a table. 32 bits are sorted when few, and else marked in a bitmap that has pages only where
there are patterns: weights crowd into few exponents, so that the bitmap stays in the processor's caches. 64 bits are
sorted in parts that a multiplicative hash makes equally large.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from elf.kernels import kernel

PAGE_BITS = 20
PAGES = 1 << (32 - PAGE_BITS)
WORDS = 1 << (PAGE_BITS - 6)
PAGE_STARTS = np.arange(PAGES, dtype=np.uint32) << np.uint32(PAGE_BITS)
"""The first pattern of each page."""
FIBONACCI = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: Knuth, TAOCP 3, 6.4


@kernel
def count_patterns(elements: Any, counts: Any) -> None:
    """Add the number of times that each pattern occurs among 8 or 16-bit elements to `counts`, int64, by pattern."""
    for i in range(np.uint64(elements.size)):
        counts[elements[i]] += 1


@kernel
def squeeze(ordered: Any) -> Any:
    """Move the distinct elements of a sorted array to its front; returns how many there are."""
    if ordered.size == 0:
        return np.int64(0)
    n = np.uint64(0)
    for i in range(np.uint64(1), np.uint64(ordered.size)):
        n += np.uint64(ordered[i] != ordered[n])
        ordered[n] = ordered[i]
    return np.int64(n + np.uint64(1))


def distinct_in_place(elements: NDArray[Any]) -> NDArray[Any]:
    """The distinct elements, sorted; a view of `elements`, which is overwritten."""
    elements.sort()
    return elements[: squeeze(elements)]


@kernel
def mark_pages(elements: Any, used: Any) -> None:
    """Set used[page] for the page of each 32-bit element; `used` is bool, shape (PAGES,)."""
    for i in range(np.uint64(elements.size)):
        used[elements[i] >> np.uint32(PAGE_BITS)] = True


@kernel
def _mark(elements, slots, bits):  # type: ignore[no-untyped-def]
    for i in range(np.uint64(elements.size)):
        pattern = np.uint64(elements[i])
        slot = slots[pattern >> np.uint64(PAGE_BITS)]
        if slot >= 0:
            word = (pattern >> np.uint64(6)) & np.uint64(WORDS - 1)
            bits[np.uint64(slot), word] |= np.uint64(1) << (pattern & np.uint64(63))


@intrinsic
def _trailing_zeros(_typing: Any, _word: Any) -> Any:
    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), codegen


@intrinsic
def _ones(_typing: Any, _word: Any) -> Any:
    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


@kernel
def _pour(words, into):  # type: ignore[no-untyped-def]
    """Mark in page `into` what is marked in page `words`, clear that, and return how many patterns it had."""
    n = np.uint64(0)
    for i in range(np.uint64(words.size)):
        n += _ones(words[i])
        into[i] |= words[i]
        words[i] = 0
    return np.int64(n)


@kernel
def _patterns(words, base, found):  # type: ignore[no-untyped-def]
    """The patterns marked in one page, rising, into `found`; clears the page."""
    n = np.uint64(0)
    for i in range(np.uint64(words.size)):
        word = words[i]
        while word:
            found[n] = base + i * np.uint64(64) + _trailing_zeros(word)
            n += np.uint64(1)
            word &= word - np.uint64(1)
        words[i] = 0
    return np.int64(n)


class PatternSet:
    """A set of 32-bit patterns: a bitmap in pages of 2**20 patterns (128 KiB), of which `room` fit at a time."""

    def __init__(self, room: int) -> None:
        self._slots = np.full(PAGES, -1, np.int32)
        self._bits = np.zeros((room, WORDS), np.uint64)  # zero pages of the system: taken when written
        self._n_used = 0

    def reserve(self, pages: NDArray[np.integer]) -> bool:
        """Make room for patterns whose high bits are in `pages`, distinct; False, nothing done, if there is none."""
        new = pages[self._slots[pages] < 0]
        if self._n_used + new.size > len(self._bits):
            return False
        self._slots[new] = np.arange(self._n_used, self._n_used + new.size)
        self._n_used += new.size
        return True

    def add(self, elements: NDArray[np.uint32]) -> None:
        """Add the elements that lie in reserved pages; others are passed over."""
        _mark(elements, self._slots, self._bits)

    def pour(self, into: PatternSet) -> int:
        """Add all patterns to a set that has reserved their pages; empties this one and returns how many it had."""
        pages = np.flatnonzero(self._slots >= 0)
        n: int = sum(_pour(self._bits[self._slots[page]], into._bits[into._slots[page]]) for page in pages)
        self._forget()
        return n

    def drain(self, rows: int) -> Iterator[NDArray[np.uint64]]:
        """The patterns, rising, in arrays of at least `rows` but for the last; empties the set."""
        found, n = np.empty(rows + (1 << PAGE_BITS), np.uint64), 0
        for page in np.flatnonzero(self._slots >= 0):
            n += _patterns(self._bits[self._slots[page]], np.uint64(page << PAGE_BITS), found[n:])
            if n >= rows:
                yield found[:n]
                found, n = np.empty_like(found), 0
        if n:
            yield found[:n]
        self._forget()

    def _forget(self) -> None:
        self._slots[:] = -1
        self._n_used = 0


@kernel
def select_pages(elements: Any, first: int, last: int, selected: Any) -> Any:
    """Copy the 32-bit elements of pages first to last to the front of `selected`, as large as they; count them."""
    n = np.uint64(0)
    for i in range(np.uint64(elements.size)):
        page = elements[i] >> np.uint32(PAGE_BITS)
        selected[n] = elements[i]
        n += np.uint64((page >= first) & (page <= last))
    return np.int64(n)


@kernel
def select_part(elements: Any, bits: int, part: int, selected: Any) -> Any:
    """Copy some 64-bit elements to the front of `selected`, as large as they; returns how many.

    Those whose multiplicative hash has `part` in its top `bits` bits, at least 1: all equal elements or none.
    """
    n, shift = np.uint64(0), np.uint64(64 - bits)
    for i in range(np.uint64(elements.size)):
        selected[n] = elements[i]
        n += np.uint64((elements[i] * FIBONACCI) >> shift == np.uint64(part))
    return np.int64(n)
