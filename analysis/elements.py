"""What the elements of a tensor are like: exact counts of distinct patterns, zeros, small and representable values.

Everything is counted on bit patterns: -0.0 and 0.0 are two patterns, and so are two NaNs with different payloads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elf.kernels.distinct import PAGE_BITS, PAGES, PatternSet, count_patterns, distinct_in_place, pages_of, select_part
from elf.kernels.exactness import COUNTED, count_f32, count_f64
from elf.tensor import DTYPES, DType

STATISTICS = ("n_distinct", *COUNTED)
"""Names of the counts; each is None where it does not apply to the dtype."""

VALUES = pa.schema([("dtype", pa.string()), ("value", pa.uint64())])
"""Distinct bit patterns of a unit, zero-extended, in rising runs; a pattern can be in several runs of a large file."""

SORTED_ELEMENTS = 1 << 24
"""Tensors of at most so many elements are sorted whole; larger ones in pieces of so many."""
TENSOR_PAGES = 512
UNIT_PAGES = 1024
ROWS = 1 << 20

Counts = dict[str, int | None]
Pieces = Iterator[NDArray[Any]]


class Elements:
    """Looks at tensors one after the other and gathers the patterns of all of them: `emit` gets tables of schema VALUES.

    `release` is called after each piece of a tensor that is looked at in pieces: what was read is not needed soon.
    """

    def __init__(
        self, emit: Callable[[pa.Table], None], release: Callable[[], None], sorted_elements: int = SORTED_ELEMENTS
    ) -> None:
        self._emit = emit
        self._release = release
        self._piece = sorted_elements
        self._tables: dict[str, NDArray[np.bool_]] = {}
        self._sets: dict[str, PatternSet] = {}
        self._held: list[pa.Table] = []
        self._n_held = 0

    def add(self, dtype: str, data: NDArray[np.uint8]) -> Counts:
        """Count a tensor's elements, given as bytes; gather its patterns."""
        kind = DTYPES[dtype]
        counts: Counts = dict.fromkeys(STATISTICS)
        if kind.numpy is None or kind.numpy.kind == "c":
            return counts
        if kind.block_bytes <= 2:
            return counts | self._add_counted(kind, data)
        return counts | self._statistics(kind, data) | {"n_distinct": self._add_sorted(kind, data)}

    def flush(self) -> None:
        """Hand on what was gathered; to be called at the end."""
        for dtype, occurs in sorted(self._tables.items()):
            self._hold(dtype, np.flatnonzero(occurs).astype(np.uint64))
        for dtype, patterns in sorted(self._sets.items()):
            self._drain(dtype, patterns)
        self._hand_on()

    def _add_counted(self, kind: DType, data: NDArray[np.uint8]) -> Counts:
        occurrences = np.zeros(1 << (8 * kind.block_bytes), np.int64)
        for piece in self._pieces(kind, data):
            count_patterns(piece, occurrences)
        occurs = occurrences > 0
        self._tables[kind.name] = self._tables.get(kind.name, np.False_) | occurs
        counts: Counts = {name: int(occurrences[held].sum()) for name, held in _properties(kind.name).items()}
        return counts | {"n_distinct": int(occurs.sum())}

    def _statistics(self, kind: DType, data: NDArray[np.uint8]) -> Counts:
        if not kind.is_float:
            return {"n_zero": sum(int(np.count_nonzero(piece == 0)) for piece in self._pieces(kind, data))}
        count = count_f32 if kind.block_bytes == 4 else count_f64
        total = sum((count(piece) for piece in self._pieces(kind, data)), np.zeros(len(COUNTED), np.int64))
        return dict(zip(COUNTED, total.tolist(), strict=True))

    def _add_sorted(self, kind: DType, data: NDArray[np.uint8]) -> int:
        n_distinct = 0
        for patterns in self._distinct(kind, data):
            n_distinct += len(patterns)
            if kind.block_bytes == 4:
                self._merge(kind.name, patterns.astype(np.uint32, copy=False))
            else:
                self._hold(kind.name, patterns)
        return n_distinct

    def _distinct(self, kind: DType, data: NDArray[np.uint8]) -> Pieces:
        """The distinct patterns of a tensor, each once, in rising pieces."""
        if data.size <= self._piece * kind.block_bytes:
            for piece in self._pieces(kind, data):
                yield distinct_in_place(piece)
        elif kind.block_bytes == 4:
            yield from self._distinct_by_page(kind, data)
        else:
            yield from self._distinct_by_hash(kind, data)

    def _distinct_by_page(self, kind: DType, data: NDArray[np.uint8]) -> Pieces:
        """32-bit patterns of a large tensor: a bitmap of the pages that occur, as many passes as it has to be refilled."""
        used = np.zeros(PAGES, np.bool_)
        for piece in self._pieces(kind, data):
            pages_of(piece, used)
        pages, patterns = np.flatnonzero(used), PatternSet(TENSOR_PAGES)
        for first in range(0, pages.size, TENSOR_PAGES):
            patterns.reserve(pages[first : first + TENSOR_PAGES])
            for piece in self._pieces(kind, data):
                patterns.add(
                    distinct_in_place(piece)
                )  # rising patterns are marked several times faster than mixed ones
            yield from patterns.drain()

    def _distinct_by_hash(self, kind: DType, data: NDArray[np.uint8]) -> Pieces:
        """64-bit patterns of a large tensor: one pass for each part of the patterns, parts of half a piece on average."""
        bits = (2 * data.size // (kind.block_bytes * self._piece)).bit_length()
        for part in range(1 << bits):
            found = np.empty(0, np.uint64)
            for piece in self._pieces(kind, data):
                found = np.concatenate((found, select_part(piece, bits, part)))
                if found.size > self._piece:
                    found = distinct_in_place(found)
            yield distinct_in_place(found)

    def _pieces(self, kind: DType, data: NDArray[np.uint8]) -> Pieces:
        """Aligned copies of consecutive elements as unsigned integers; they may be overwritten."""
        unsigned, piece_bytes = np.dtype(f"u{kind.block_bytes}"), self._piece * kind.block_bytes
        for start in range(0, data.size, piece_bytes):
            yield data[start : start + piece_bytes].copy().view(unsigned)
            if data.size > piece_bytes:
                self._release()

    def _merge(self, dtype: str, patterns: NDArray[np.uint32]) -> None:
        """Mark rising patterns in the unit's set, which is handed on whenever it is full."""
        known = self._sets.setdefault(dtype, PatternSet(UNIT_PAGES))
        bounds = np.append(np.searchsorted(patterns, _page_starts()), patterns.size)
        pages = np.flatnonzero(np.diff(bounds))
        for first in range(0, pages.size, UNIT_PAGES):
            some = pages[first : first + UNIT_PAGES]
            if not known.reserve(some):
                self._drain(dtype, known)
                known.reserve(some)
            known.add(patterns[bounds[some[0]] : bounds[some[-1] + 1]])

    def _drain(self, dtype: str, patterns: PatternSet) -> None:
        for found in patterns.drain():
            self._hold(dtype, found)

    def _hold(self, dtype: str, patterns: NDArray[np.uint64]) -> None:
        """Hand patterns on in tables of a sensible size."""
        for first in range(0, patterns.size, ROWS):
            rows = patterns[first : first + ROWS].copy()
            self._held.append(pa.table([pa.repeat(dtype, rows.size), rows], schema=VALUES))
            self._n_held += rows.size
            if self._n_held >= ROWS:
                self._hand_on()

    def _hand_on(self) -> None:
        if self._held:
            self._emit(pa.concat_tables(self._held).combine_chunks())
        self._held, self._n_held = [], 0


def _page_starts() -> NDArray[np.uint32]:
    return np.arange(PAGES, dtype=np.uint32) << np.uint32(PAGE_BITS)


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
    """Values of 8-bit floats with a sign and `fraction` bits of fraction; `nonfinite` lists the patterns without one."""
    pattern = np.arange(256)
    exponent, significand = (pattern & 0x7F) >> fraction, pattern & ((1 << fraction) - 1)
    normal = exponent > 0
    size = np.ldexp((normal << fraction) + significand, np.maximum(exponent, 1) - bias - fraction)
    values = np.where(pattern & 0x80, -size, size).astype(np.float32)
    values[list(nonfinite)] = list(nonfinite.values())
    return values


def _powers_of_two() -> NDArray[np.float32]:
    values = np.ldexp(1.0, np.arange(256) - 127)
    values[255] = np.nan
    return values.astype(np.float32)


_NAN, _INFINITY = float("nan"), float("inf")
_E5M2 = {0x7C: _INFINITY, 0xFC: -_INFINITY} | dict.fromkeys((0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF), _NAN)
_MINIFLOATS: dict[str, Callable[[], NDArray[np.float32]]] = {
    "f8_e4m3": lambda: _minifloat(3, 7, {0x7F: _NAN, 0xFF: _NAN}),
    "f8_e4m3fnuz": lambda: _minifloat(3, 8, {0x80: _NAN}),
    "f8_e5m2": lambda: _minifloat(2, 15, _E5M2),
    "f8_e5m2fnuz": lambda: _minifloat(2, 16, {0x80: _NAN}),
    "f8_e8m0": _powers_of_two,
}
"""The 8-bit formats: OCP OFP8 and MX (e4m3, e5m2, e8m0), and the variants without infinities and negative zero (fnuz)."""
