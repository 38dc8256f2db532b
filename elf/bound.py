"""Error bounds as people state them, and the power-of-two step that keeps them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Values
from elf.codecs.elf import LARGEST_STEP
from elf.codecs.widths import widen
from elf.errors import ElfError

KINDS = ("absolute", "rms", "max")


@dataclass(frozen=True)
class Bound:
    """The largest error allowed in any value: absolute, or relative to the tensor's RMS or to its largest magnitude.

    RMS and maximum are those of the finite values. Raises ElfError when `value` is not a positive number.
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ElfError(f"bound {self.kind!r}: choose one of {', '.join(KINDS)}")
        if not (self.value > 0 and math.isfinite(self.value)):
            raise ElfError(f"bound {self.value!r}: a bound is a positive number")

    def step(self, values: Values, dtype: str) -> int | None:
        """The largest n with 2^n <= 2 * bound, so that half a step is within it. `values`: 1-D, of the type of `dtype`.

        None where no step keeps the bound and saves anything: the type is no float, the scale is zero, or the bound is
        out of the type's range.
        """
        if dtype not in LARGEST_STEP or (absolute := self._absolute(values, dtype)) == 0:
            return None
        step = math.frexp(absolute)[1]  # 2^(step - 1) <= absolute < 2^step, and half of 2^step is the bound kept
        return min(step, LARGEST_STEP[dtype]) if step >= -LARGEST_STEP[dtype] else None

    def _absolute(self, values: Values, dtype: str) -> float:
        if self.kind == "absolute":
            return self.value
        return self.value * (_rms if self.kind == "rms" else _largest)(values, dtype)


OWN_BOUND = {"f32": Bound("absolute", 2.0**-24), "f64": Bound("absolute", 2.0**-53)}
"""Elf's published bounds. 16-bit floats have none: at theirs, weights would keep few significant bits."""

_ROWS = 1 << 10
_PART = 1 << 20


def _rms(values: Values, dtype: str) -> float:
    """Root mean square of the finite values, summed in an order that is the same on every machine."""
    largest = _largest(values, dtype)
    if largest == 0:
        return 0.0
    scale = 2.0 ** -max(-1000, math.frexp(largest)[1])
    sums = np.zeros(_ROWS)
    count = 0
    for start in range(0, values.size, _PART):
        part = widen(values[start : start + _PART], dtype)
        part = part[np.isfinite(part)].astype(np.float64) * scale
        count += part.size
        squares = np.zeros(-(-part.size // _ROWS) * _ROWS)
        np.square(part, out=squares[: part.size])
        sums += squares.reshape(-1, _ROWS).sum(axis=0)  # rows one after another, never pairwise
    return math.sqrt(math.fsum(sums) / count) / scale


def _largest(values: Values, dtype: str) -> float:
    largest = 0.0
    for start in range(0, values.size, _PART):
        part = np.abs(widen(values[start : start + _PART], dtype))
        largest = max(largest, float(np.max(part, initial=0, where=np.isfinite(part))))
    return largest
