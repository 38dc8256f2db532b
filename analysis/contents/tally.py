"""Chunks of one unit grouped by content, in runs of bounded size, so that memory does not grow with the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.contents.chunking import Chunks

RUN_CHUNKS = 1 << 18
"""Chunks that are held before they are grouped and handed on."""

CHUNKS = pa.schema(
    [
        ("method", pa.dictionary(pa.int8(), pa.string())),  # fixed-4096, fastcdc-65536, xet
        ("anchor", pa.dictionary(pa.int8(), pa.string())),  # file or tensor
        ("hash_hi", pa.uint64()),  # XXH3-128
        ("hash_lo", pa.uint64()),
        ("length", pa.uint32()),  # bytes
        ("count", pa.uint32()),  # occurrences in this run
    ]
)
"""Sorted and grouped within a run; a chunk that occurs in several runs of a large file has a row in each."""

Columns = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]


class Tally:
    """Takes chunks, hands on tables of schema CHUNKS."""

    def __init__(self, emit: Callable[[pa.Table], None], run_chunks: int = RUN_CHUNKS) -> None:
        self._emit = emit
        self._run_chunks = run_chunks
        self._pending: dict[tuple[str, str], list[Columns]] = defaultdict(list)
        self._n_pending = 0

    def add(self, chunks: Chunks) -> None:
        """Count these chunks."""
        self._pending[chunks.rule.name, chunks.anchor].append((chunks.high, chunks.low, chunks.lengths))
        self._n_pending += chunks.lengths.size
        if self._n_pending >= self._run_chunks:
            self.flush()

    def flush(self) -> None:
        """Hand on what is held; to be called at the end."""
        groups = [
            (key, _grouped(*map(np.concatenate, zip(*held, strict=True))))
            for key, held in sorted(self._pending.items())
        ]
        self._pending.clear()
        self._n_pending = 0
        if groups:
            sizes = [columns[0].size for _, columns in groups]
            methods, anchors = (_labels(labels, sizes) for labels in zip(*(key for key, _ in groups), strict=True))
            columns = map(np.concatenate, zip(*(columns for _, columns in groups), strict=True))
            self._emit(pa.table([methods, anchors, *columns], schema=CHUNKS))


def _labels(labels: Sequence[str], sizes: list[int]) -> pa.DictionaryArray:
    """A column in which each label stands as often as its size says."""
    names = sorted(set(labels))
    codes = np.repeat([names.index(label) for label in labels], sizes).astype(np.int8)
    return pa.DictionaryArray.from_arrays(codes, names)


def _grouped(high: NDArray[np.uint64], low: NDArray[np.uint64], lengths: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Columns hash_hi, hash_lo, length, count of the distinct chunks, in order."""
    order = _order(high, low, lengths)
    high, low, lengths = high[order], low[order], lengths[order]
    first = np.flatnonzero(_differs(high) | _differs(low) | _differs(lengths))
    counts = np.diff(first, append=high.size)
    return [high[first], low[first], lengths[first].astype(np.uint32), counts.astype(np.uint32)]


def _order(high: NDArray[np.uint64], low: NDArray[np.uint64], lengths: NDArray[np.int64]) -> NDArray[np.intp]:
    """The order by (high, low, length). Sorting by the first alone is many times faster and almost always enough."""
    order = np.argsort(high)
    tied = ~_differs(high[order])
    if (tied & (_differs(low[order]) | _differs(lengths[order]))).any():
        return np.lexsort((lengths, low, high))
    return order


def _differs(column: NDArray[np.uint64] | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each entry differs from the one before; the first always does."""
    differs = np.ones(column.size, np.bool_)
    np.not_equal(column[1:], column[:-1], out=differs[1:])
    return differs
