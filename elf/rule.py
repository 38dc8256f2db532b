"""Where a tensor may be lossy: only where it is right, and every decision has a reason that can be printed.

Without being told otherwise a tensor is coded within a bound when all of this holds:

- its role is weight (not optimizer state, normalisation, bias, scale of a quantisation, table);
- it has two dimensions or more;
- its type has a bound of its own (f32 2^-24, f64 2^-53), or one was asked for (f16, bf16 too);
- every value is finite;
- the RMS of the error after decoding, measured, is at most 2^-12 of the RMS of the values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from elf.bound import OWN_BOUND, Bound
from elf.codecs.base import FLOATS, Values
from elf.codecs.elf import Elf
from elf.codecs.widths import widen
from elf.errors import ElfError
from elf.tensor import Tensor

LARGEST_ERROR = 2.0**-12
"""Of the RMS of the error, relative to the RMS of the values."""

_PART = 1 << 18
_SHRINK = 2.0**-540  # squares of the largest float64 times this do not overflow


@dataclass(frozen=True)
class Decision:
    """Whether a tensor may be lossy (then within `bound`) and why, or why not."""

    reason: str
    bound: Bound | None = None
    forced: bool = False
    """Asked for by name, whatever the values are."""


@dataclass(frozen=True)
class Rule:
    """What the user asks for. Patterns are names of tensors with `*`, `?` and `[...]`, upper and lower case apart.

    `bound` takes the place of every type's own bound. `lossy` names tensors that are lossy whatever their role, shape
    or values; `keep` names tensors that are kept exactly, even then. Raises ElfError when `lossless` comes with a bound
    or with `lossy`.
    """

    lossless: bool = False
    bound: Bound | None = None
    lossy: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.lossless and (self.bound is not None or self.lossy):
            raise ElfError("lossless excludes a bound and patterns of lossy tensors: leave one out")

    def before(self, tensor: Tensor) -> Decision:
        """What can be decided without looking at the values."""
        bound = self.bound or OWN_BOUND.get(tensor.dtype)
        if (reason := self._kept(tensor)) or bound is None:
            return Decision(reason or f"{tensor.dtype} has no bound of its own")
        if pattern := _matching(tensor.name, self.lossy):
            return Decision(f"asked for by {pattern}", bound, forced=True)
        if tensor.role != "weight":
            return Decision(f"its role is {tensor.role}")
        if len(tensor.shape) < 2:
            return Decision("it has fewer than two dimensions")
        return Decision("weight", bound)

    def _kept(self, tensor: Tensor) -> str | None:
        if self.lossless:
            return "lossless was asked for"
        if tensor.dtype not in FLOATS:
            return f"{tensor.dtype} is always kept exactly"
        pattern = _matching(tensor.name, self.keep)
        return f"kept by {pattern}" if pattern else None

    def refuse_idle_patterns(self, tensors: Sequence[Tensor]) -> None:
        """Raises ElfError for a pattern that names no tensor: it is a slip of the pen."""
        for pattern in (*self.lossy, *self.keep):
            if not any(fnmatchcase(tensor.name, pattern) for tensor in tensors):
                raise ElfError(f"the pattern {pattern!r} names no tensor of this model")


def _matching(name: str, patterns: Sequence[str]) -> str | None:
    return next((pattern for pattern in patterns if fnmatchcase(name, pattern)), None)


def after(decision: Decision, values: Values, dtype: str) -> Decision:
    """The decision once the values are known: 1-D, of the type of `dtype`. It follows from these three alone."""
    if decision.bound is None or decision.forced:
        return decision
    rms = _rms(values, dtype)
    if rms is None:
        return Decision("it holds NaN or infinity")
    step = decision.bound.step(values, dtype)
    if step is None:
        return replace(decision, bound=None, reason="no step keeps the bound and saves anything")
    if 2.0 ** (step - 1) <= LARGEST_ERROR * rms:  # no error is larger than half a step, so neither is their RMS
        return decision
    error = _rms_error(values, dtype, Elf(step))
    if error <= LARGEST_ERROR * rms:
        return decision
    size = f"2^{math.log2(error / rms):.1f} of its RMS" if rms else "larger than its values"
    return Decision(f"its error would be {size}")


def _rms(values: Values, dtype: str) -> float | None:
    """Root mean square; None when not all values are finite."""
    total = _squares(values, dtype, 1.0)
    if math.isfinite(total):
        return math.sqrt(total / values.size)
    if not all(np.isfinite(widen(part, dtype)).all() for part in _parts(values)):
        return None
    return math.sqrt(_squares(values, dtype, _SHRINK) / values.size) / _SHRINK


def _rms_error(values: Values, dtype: str, codec: Elf) -> float:
    """Root mean square of what decoding will change."""
    total = 0.0
    for part in _parts(values):
        _, restored = codec.encode_with_result(part, dtype)
        total += _squares(widen(restored, dtype).astype(np.float64) - widen(part, dtype), "f64", 1.0)
    return math.sqrt(total / values.size)


def _squares(values: Values, dtype: str, scale: float) -> float:
    from elf.kernels.squares import sum_of_squares

    total = 0.0
    for part in _parts(values):
        wide = widen(part, dtype)
        total += float(sum_of_squares(wide if scale == 1 else wide * scale))
    return total


def _parts(values: Values) -> Iterator[Values]:
    return (values[start : start + _PART] for start in range(0, values.size, _PART))
