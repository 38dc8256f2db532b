"""What the elements of a tensor are like: exact counts of distinct patterns, zeros, small and representable values.

Everything is counted on bit patterns: -0.0 and 0.0 are two patterns, and so are two NaNs with different payloads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.shards import VALUES_OF
from elf.kernels.distinct import (
    PAGE_STARTS,
    PAGES,
    PatternSet,
    count_patterns,
    distinct_in_place,
    mark_pages,
    select_pages,
    select_part,
)
from elf.kernels.exactness import COUNTED, count_f32, count_f64
from elf.tensor import DTYPES, DType

STATISTICS = ("n_distinct", *COUNTED)
"""Names of the counts; each is None where it does not apply to the dtype."""

VALUES = pa.schema([("value", pa.uint64())])
"""Distinct bit patterns of a unit, zero-extended, in rising runs; a pattern can be in several runs of a large file."""

PIECE_BYTES = 1 << 24
"""Tensors of at most so many bytes are sorted whole; larger ones are read in pieces of so many."""
SORTED_PIECES = 4
"""Pieces' worth of 64-bit patterns that are sorted at a time when a tensor is larger than a piece."""
ROOM = 640
"""Pages of the bitmap of a large tensor, and of a unit; usual weights need some 400."""
ROWS = 1 << 19
"""Values that are held before they are handed on."""

Array = NDArray[Any]
Counts = dict[str, int | None]


class Elements:
    """Looks at tensors one after the other and gathers the patterns of all of them.

    `emit` gets tables of schema VALUES, under one name for each dtype. `release` is called after each piece of a
    tensor that is read in pieces, since what was read is not needed soon.
    """

    def __init__(
        self, emit: Callable[[str, pa.Table], None], release: Callable[[], None], piece_bytes: int = PIECE_BYTES
    ) -> None:
        self._emit = emit
        self._release = release
        self._piece_bytes = piece_bytes
        self._buffer = np.empty(0, np.uint8)
        self._tables: dict[str, NDArray[np.bool_]] = {}
        self._sets: dict[str, PatternSet] = {}
        self._held: dict[str, list[Array]] = defaultdict(list)

    def add(self, dtype: str, data: NDArray[np.uint8]) -> Counts:
        """Count a tensor's elements, given as bytes; gather its patterns."""
        kind = DTYPES[dtype]
        counts: Counts = dict.fromkeys(STATISTICS)
        if kind.numpy is None or kind.numpy.kind == "c":
            return counts
        if kind.block_bytes <= 2:
            return counts | self._add_counted(kind, data)
        if data.size <= self._piece_bytes:
            return counts | self._add_sorted(kind, data)
        return counts | self._add_large(kind, data)

    def flush(self) -> None:
        """Hand on what was gathered; to be called at the end."""
        for dtype, occurs in sorted(self._tables.items()):
            self._hold(dtype, np.flatnonzero(occurs))
        for dtype, patterns in sorted(self._sets.items()):
            self._drain(dtype, patterns)
        for dtype in sorted(self._held):
            self._hand_on(dtype)

    def _add_counted(self, kind: DType, data: NDArray[np.uint8]) -> Counts:
        occurrences = np.zeros(1 << (8 * kind.block_bytes), np.int64)
        for piece in self._pieces(kind, data):
            count_patterns(piece, occurrences)
        occurs = occurrences > 0
        self._tables[kind.name] = self._tables.get(kind.name, np.False_) | occurs
        counts: Counts = {name: int(occurrences[held].sum()) for name, held in _properties(kind.name).items()}
        return counts | {"n_distinct": int(occurs.sum())}

    def _add_sorted(self, kind: DType, data: NDArray[np.uint8]) -> Counts:
        piece = next(self._pieces(kind, data))
        counts = _statistics(kind, piece)
        patterns = distinct_in_place(piece)
        self._gather(kind, patterns)
        return {**counts, "n_distinct": len(patterns)}

    def _add_large(self, kind: DType, data: NDArray[np.uint8]) -> Counts:
        totals, used = dict.fromkeys(_counted(kind), 0), np.zeros(PAGES, np.bool_)
        for piece in self._pieces(kind, data):
            for name, count in _statistics(kind, piece).items():
                totals[name] += count
            if kind.block_bytes == 4:
                mark_pages(piece, used)
        if kind.block_bytes == 4:
            return {**totals, "n_distinct": self._gather_by_page(kind, data, np.flatnonzero(used))}
        return {**totals, "n_distinct": self._gather_by_hash(kind, data)}

    def _gather_by_page(self, kind: DType, data: NDArray[np.uint8], pages: Array) -> int:
        """The 32-bit patterns of a large tensor through a bitmap, in as many passes as it has to be refilled."""
        patterns, n_distinct = PatternSet(ROOM), 0
        for first in range(0, pages.size, ROOM):
            some = pages[first : first + ROOM]
            patterns.reserve(some)
            for piece in self._pieces(kind, data):
                wanted = piece[: select_pages(piece, some[0], some[-1], piece)] if some.size < pages.size else piece
                patterns.add(distinct_in_place(wanted))  # rising patterns are marked many times faster than mixed ones
            if some.size == pages.size:
                return patterns.pour(self._reserved(kind.name, pages))
            n_distinct += self._drain(kind.name, patterns)
        return n_distinct

    def _gather_by_hash(self, kind: DType, data: NDArray[np.uint8]) -> int:
        """The 64-bit patterns of a large tensor, in as many passes as it takes to sort a part of them in each."""
        bits, n_distinct = max(1, (data.size // (SORTED_PIECES * self._piece_bytes)).bit_length()), 0
        found = np.empty(2 * SORTED_PIECES * self._piece_bytes // kind.block_bytes, np.uint64)
        for part in range(1 << bits):
            n = 0
            for piece in self._pieces(kind, data):
                if found.size < n + piece.size:
                    n = distinct_in_place(found[:n]).size
                if found.size < n + piece.size:
                    found = np.concatenate((found, np.empty_like(found)))
                n += select_part(piece, bits, part, found[n:])
            patterns = distinct_in_place(found[:n])
            self._gather(kind, patterns)
            n_distinct += patterns.size
        return n_distinct

    def _pieces(self, kind: DType, data: NDArray[np.uint8]) -> Iterator[Array]:
        """Consecutive elements as unsigned integers, at least one piece, in an aligned buffer that is theirs."""
        if self._buffer.size < min(data.size, self._piece_bytes):
            self._buffer = np.empty(min(data.size, self._piece_bytes), np.uint8)
        for start in range(0, max(data.size, 1), self._piece_bytes):
            piece = data[start : start + self._piece_bytes]
            np.copyto(self._buffer[: piece.size], piece)
            if data.size > self._piece_bytes:
                self._release()
            yield self._buffer[: piece.size].view(f"u{kind.block_bytes}")

    def _gather(self, kind: DType, patterns: Array) -> None:
        """Rising patterns: 32-bit ones join the unit's if they crowd as weights do, others are handed on at once."""
        if kind.block_bytes == 4:
            bounds = np.append(np.searchsorted(patterns, PAGE_STARTS), patterns.size)
            pages = np.flatnonzero(np.diff(bounds))
            if pages.size <= ROOM:
                self._reserved(kind.name, pages).add(patterns)
                return
        for first in range(0, patterns.size, ROWS):
            self._hold(kind.name, patterns[first : first + ROWS].astype(np.uint64))

    def _reserved(self, dtype: str, pages: Array) -> PatternSet:
        """The unit's set with room for these pages; what it had is handed on when it is full."""
        patterns = self._sets.setdefault(dtype, PatternSet(ROOM))
        if not patterns.reserve(pages):
            self._drain(dtype, patterns)
            patterns.reserve(pages)
        return patterns

    def _drain(self, dtype: str, patterns: PatternSet) -> int:
        n = 0
        for found in patterns.drain(ROWS):
            n += found.size
            self._hold(dtype, found)
        return n

    def _hold(self, dtype: str, patterns: Array) -> None:
        """Keep patterns until there are enough for a table of sensible size."""
        if patterns.size == 0:
            return
        held = self._held[dtype]
        held.append(patterns.astype(np.uint64, copy=False))
        if sum(array.size for array in held) >= ROWS:
            self._hand_on(dtype)

    def _hand_on(self, dtype: str) -> None:
        held = self._held.pop(dtype)
        values = held[0] if len(held) == 1 else np.concatenate(held)
        self._emit(VALUES_OF + dtype, pa.table([values], schema=VALUES))


def _counted(kind: DType) -> tuple[str, ...]:
    return COUNTED if kind.is_float else ("n_zero",)


def _statistics(kind: DType, piece: Array) -> dict[str, int]:
    if not kind.is_float:
        return {"n_zero": int(np.count_nonzero(piece == 0))}
    counts = count_f32(piece) if kind.block_bytes == 4 else count_f64(piece)
    return dict(zip(COUNTED, counts.tolist(), strict=True))


@lru_cache
def _properties(dtype: str) -> dict[str, NDArray[np.bool_]]:
    """For each statistic of a dtype of 8 or 16 bits, which of its patterns count."""
    kind = DTYPES[dtype]
    if not kind.is_float:
        return {"n_zero": np.arange(1 << (8 * kind.block_bytes)) == 0}
    values = decoded_patterns(dtype)
    zero, nonfinite = values == 0, ~np.isfinite(values)
    with np.errstate(over="ignore"):
        f16 = values.astype(np.float16).astype(np.float32) == values
    return {
        "n_zero": zero,
        "n_negative_zero": zero & np.signbit(values),
        "n_in_unit_interval": np.abs(values) < 1,
        "n_nonfinite": nonfinite,
        "n_f16_exact": f16 | nonfinite,
        "n_bf16_exact": (values.view(np.uint32) & 0xFFFF == 0) | nonfinite,
    }


def decoded_patterns(dtype: str) -> NDArray[np.float32]:
    """The value of every bit pattern of a float dtype of 8 or 16 bits: f32, which holds each of them exactly."""
    if dtype == "f16":
        return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    if dtype == "bf16":
        return (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32)
    return _MINIFLOATS[dtype]()


def _minifloat(fraction: int, bias: int, nonfinite: dict[int, float]) -> NDArray[np.float32]:
    """Values of 8-bit floats with a sign and `fraction` bits of fraction; `nonfinite` lists the other patterns."""
    pattern = np.arange(256)
    exponent, significand = (pattern & 0x7F) >> fraction, pattern & ((1 << fraction) - 1)
    normal = exponent > 0
    size = np.ldexp((normal << fraction) + significand, np.maximum(exponent, 1) - bias - fraction)
    values: NDArray[np.float32] = np.where(pattern & 0x80, -size, size).astype(np.float32)
    values[list(nonfinite)] = list(nonfinite.values())
    return values


def _powers_of_two() -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.ldexp(1.0, np.minimum(np.arange(256), 254) - 127).astype(np.float32)
    values[255] = np.nan
    return values


_NAN, _INFINITY = float("nan"), float("inf")
_E5M2 = {0x7C: _INFINITY, 0xFC: -_INFINITY} | dict.fromkeys((0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF), _NAN)
_MINIFLOATS: dict[str, Callable[[], NDArray[np.float32]]] = {
    "f8_e4m3": lambda: _minifloat(3, 7, {0x7F: _NAN, 0xFF: _NAN}),
    "f8_e4m3fnuz": lambda: _minifloat(3, 8, {0x80: _NAN}),
    "f8_e5m2": lambda: _minifloat(2, 15, _E5M2),
    "f8_e5m2fnuz": lambda: _minifloat(2, 16, {0x80: _NAN}),
    "f8_e8m0": _powers_of_two,
}
"""The 8-bit formats: OCP OFP8 and MX (e4m3, e5m2, e8m0); the variants without infinities and negative zero (fnuz)."""
