"""Order-0 entropy of a tensor's values, and of their bytes, bits and float fields: plug-in and bias-aware.

The plug-in estimate takes frequencies for probabilities: too low where symbols are many and samples few. Beside it
stands the coverage-adjusted estimate of Chao and Shen (Environmental and Ecological Statistics 10, 2003): frequencies
are scaled by the estimated coverage (1 - singletons / n), and each term is weighted by the chance that its symbol was
seen at all. It is cut at the width of the field, which no entropy exceeds. Both are of one tensor: what a coder could
reach that knows each tensor's frequencies for free and codes symbol by symbol.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.codecs.base import Values, bits_of
from elf.codecs.split import MANTISSA

Counts = NDArray[np.int64]
Codes = NDArray[np.unsignedinteger[Any]]


def plug_in(counts: Counts) -> float:
    """Bits a symbol from the number of times that each symbol occurs (zeros allowed); 0 for no symbols."""
    return _per_class(*_classes(counts), lambda share, n: -share * np.log2(share))  # noqa: ARG005


def coverage_adjusted(counts: Counts, width: int) -> float:
    """The estimate of Chao and Shen, in bits a symbol, at most `width`."""
    occurs, symbols = _classes(counts)
    n = int((occurs * symbols).sum())
    if n == 0:
        return 0.0
    singletons = int(symbols[occurs == 1].sum())
    coverage = 1 - min(singletons, n - 1) / n if n > 1 else 1.0
    found = _per_class(occurs, symbols, lambda share, n: _adjusted(share * coverage, n))
    return min(found, float(width))


def _adjusted(share: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        seen = -np.expm1(n * np.log1p(-share))
    terms: NDArray[np.float64] = -share * np.log2(share) / seen
    return terms


def _classes(counts: Counts) -> tuple[Counts, Counts]:
    """How often symbols occur, rising, and how many symbols occur so often."""
    occurs, symbols = np.unique(counts[counts > 0], return_counts=True)
    return occurs, symbols.astype(np.int64)


def _per_class(occurs: Counts, symbols: Counts, term: Any) -> float:
    n = int((occurs * symbols).sum())
    if n == 0:
        return 0.0
    return float((symbols * term(occurs / n, n)).sum()) + 0.0


def counts_of(codes: Codes) -> Counts:
    """The number of times that each symbol occurs, in no particular order; 8 and 16 bits are counted, others sorted."""
    from elf.kernels.distinct import count_patterns

    if codes.dtype.itemsize <= 2:
        counts = np.zeros(1 << (8 * codes.dtype.itemsize), np.int64)
        count_patterns(codes, counts)
        return counts
    ordered = np.sort(codes)
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return np.diff(np.concatenate([[0], changes, [ordered.size]]))


def fields(values: Values, dtype: str) -> Iterator[tuple[str, int, int, Counts]]:
    """(kind, position, width in bits, counts) of every field of a tensor's values; positions from the lowest up."""
    bits = bits_of(values)
    width = 8 * bits.dtype.itemsize
    planes = [counts_of(np.ascontiguousarray(plane)) for plane in bits.view(np.uint8).reshape(bits.size, -1).T]
    yield "value", 0, width, counts_of(bits)
    yield from (("byte", i, 8, plane) for i, plane in enumerate(planes))
    for i, plane in enumerate(planes):
        set_ = plane.reshape([2] * 8)
        for bit in range(8):
            yield "bit", 8 * i + bit, 1, set_.sum(axis=tuple(axis for axis in range(8) if axis != 7 - bit))
    if dtype in MANTISSA:
        yield from _float_fields(bits, MANTISSA[dtype])


def _float_fields(bits: Codes, mantissa: int) -> Iterator[tuple[str, int, int, Counts]]:
    kind, width = bits.dtype.type, 8 * bits.dtype.itemsize
    high = (bits >> kind(mantissa)).astype(np.uint16)  # sign and exponent: 12 bits at most
    counts = counts_of(high).reshape(-1, 2, 1 << (width - 1 - mantissa))[0] if width - mantissa < 16 else None
    assert counts is not None
    yield "sign", 0, 1, counts.sum(axis=1)
    yield "exponent", 0, width - 1 - mantissa, counts.sum(axis=0)
    yield "mantissa", 0, mantissa, counts_of(_narrow(bits & kind((1 << mantissa) - 1), mantissa))


def _narrow(codes: Codes, bits: int) -> Codes:
    return codes.astype(np.uint8 if bits <= 8 else np.uint16) if bits <= 16 else codes
