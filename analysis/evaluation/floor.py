"""How small the codes of a bound could be made by any coder that takes them one by one: their order-0 entropy.

The plug-in estimate (frequencies for probabilities) is far too low here, because a layer has fewer values than there
are codes. So codes are put into bins of 2^j, as small as leaves 16 values a bin on average; the entropy of the bins,
with the correction of Miller and Madow (1955) for the bias that remains, and j bits for the place in the bin, which are
as good as random where the density is smooth over a bin. Context between values is not looked at.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.evaluation.subject import Subject
from analysis.measures.base import Emit
from elf.codecs.peers.quantized import steps

FLOOR = pa.schema(
    [
        ("number", pa.int32()),
        ("step", pa.int32()),
        ("bits", pa.float64()),  # of all codes of the layer, corrected
        ("bits_plug_in", pa.float64()),
    ]
)

PER_BIN = 16
"""Values a bin on average, at least."""


def floor_rows(subject: Subject, step: int, emit: Emit) -> None:
    """Emit `floor` for the eligible layers that have codes at this bound."""
    made: dict[int, tuple[float, float]] = {}
    rows = []
    for layer, first in subject.once(subject.eligible):
        if layer is first and (codes := steps(subject.values(layer), step)) is not None:
            made[layer.number] = corrected_bits(codes), plug_in_bits(codes)
        if first.number in made:
            bits, plug_in = made[first.number]
            rows.append({"number": layer.number, "step": step, "bits": bits, "bits_plug_in": plug_in})
    if rows:
        emit("floor", pa.Table.from_pylist(rows, schema=FLOOR))


def corrected_bits(codes: NDArray[Any]) -> float:
    """Bits of all codes together, by entropy of bins, correction and place in the bin."""
    lowest = int(codes.min())
    span = int(codes.max()) - lowest
    shift = 0
    while (span >> shift) >= max(1, codes.size // PER_BIN):
        shift += 1
    counts = np.bincount((codes - lowest) >> shift)
    counts = counts[counts > 0]
    correction = (counts.size - 1) / (2 * math.log(2))
    return _bits(counts) + correction + shift * codes.size


def plug_in_bits(codes: NDArray[Any]) -> float:
    """Bits of all codes together, by their frequencies alone."""
    ordered = np.sort(codes)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], np.True_))
    return _bits(np.diff(ends, prepend=-1))


def _bits(counts: NDArray[Any]) -> float:
    """Number of values times the entropy of their distribution over bins; summed exactly."""
    total = int(counts.sum())
    sizes, times = np.unique(counts, return_counts=True)
    pairs = zip(sizes.tolist(), times.tolist(), strict=True)
    return total * math.log2(total) - math.fsum(n * size * math.log2(size) for size, n in pairs)
