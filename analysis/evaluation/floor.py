"""How small the codes of a bound could be made by any coder that takes them one by one: their order-0 entropy.

The plug-in estimate (frequencies for probabilities) is far too low here, because a layer has fewer values than there
are codes. So codes are put into bins of 2^j, as small as leaves 16 values a bin on average; the entropy of the bins,
with the correction of Miller and Madow (1955) for the bias that remains, and j bits for the place in the bin, which are
as good as random where the density is smooth over a bin. That is not so where codes have a common factor (weights from
16 bits): it is divided out first; and where few codes occur at all, their frequencies are taken as they are, with the
same correction, if that is less. Context between values is not looked at.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.evaluation.subject import Subject
from analysis.measure import Emit
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
    """Bits of all codes together, without the bias that comes from few values."""
    codes = codes // max(1, int(np.gcd.reduce(codes)))
    lowest = int(codes.min())
    span = int(codes.max()) - lowest
    shift = 0
    while (span >> shift) >= max(1, codes.size // PER_BIN):
        shift += 1
    binned = _corrected(_nonzero(np.bincount((codes - lowest) >> shift))) + shift * codes.size
    counts = _frequencies(codes)
    return min(binned, _corrected(counts)) if counts.size * PER_BIN <= codes.size else binned


def _nonzero(counts: NDArray[Any]) -> NDArray[Any]:
    return counts[counts > 0]


def _corrected(counts: NDArray[Any]) -> float:
    return _bits(counts) + (counts.size - 1) / (2 * math.log(2))


def plug_in_bits(codes: NDArray[Any]) -> float:
    """Bits of all codes together, by their frequencies alone."""
    return _bits(_frequencies(codes))


def _frequencies(codes: NDArray[Any]) -> NDArray[Any]:
    ordered = np.sort(codes)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], np.True_))
    return np.diff(ends, prepend=-1)


def _bits(counts: NDArray[Any]) -> float:
    """Number of values times the entropy of their distribution over bins; summed exactly."""
    total = int(counts.sum())
    sizes, times = np.unique(counts, return_counts=True)
    pairs = zip(sizes.tolist(), times.tolist(), strict=True)
    return total * math.log2(total) - math.fsum(n * size * math.log2(size) for size, n in pairs)
