"""Two files tensor by tensor: what differs, in bits and in values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elf.codecs.base import FLOATS
from elf.codecs.widths import widen
from elf.coding import typed
from elf.container import WINDOW, ElvesFile, is_elves
from elf.formats import ModelFile, open_model
from elf.formats.base import Bytes, map_file
from elf.tensor import DTYPES, Tensor

Source = ModelFile | ElvesFile
Doubles = NDArray[np.float64]


@dataclass
class Difference:
    """How tensor `name` of the second file differs from that of the first.

    Errors are None for types that are no floats of 16 bits or more, and infinite where a value that is not finite has
    changed. `bound` is the error that an Elves file on either side allows; None when the tensor is exact in both.
    """

    name: str
    dtype: str
    n_params: int
    changed_values: int = 0
    changed_bits: int = 0
    max_abs_error: float | None = None
    relative_error: float | None = None
    """RMS of the error over RMS of the first file's values."""
    bound: float | None = None

    @property
    def within(self) -> bool:
        """Whether nothing changed beyond what is allowed."""
        if self.changed_values == 0:
            return True
        return self.bound is not None and self.max_abs_error is not None and self.max_abs_error <= self.bound


@dataclass
class Comparison:
    """All tensors that both files have with the same dtype and shape, and the names of those that are not so."""

    tensors: list[Difference] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """In the first file only."""
    added: list[str] = field(default_factory=list)
    """In the second file only."""
    unlike: list[str] = field(default_factory=list)
    """With another dtype or shape."""

    @property
    def within(self) -> bool:
        """Whether the second file has the first one's tensors, none changed beyond what is allowed."""
        same_tensors = not (self.missing or self.added or self.unlike)
        return same_tensors and all(difference.within for difference in self.tensors)


def compare(first: Path, second: Path, *, bound: float | None = None) -> Comparison:
    """Compare two model files, Elves files, or one of each; `bound` is an absolute error that is allowed everywhere.

    Raises ElfError when one cannot be read.
    """
    with _opened(first) as one, _opened(second) as other:
        mine, yours = ({tensor.name: tensor for tensor in source.tensors} for source in (one, other))
        both = [name for name in mine if name in yours]
        alike = [name for name in both if _kind(mine[name]) == _kind(yours[name])]
        found = Comparison(
            missing=[name for name in mine if name not in yours],
            added=[name for name in yours if name not in mine],
            unlike=[name for name in both if name not in set(alike)],
        )
        for name in alike:
            found.tensors.append(_difference(one, mine[name], other, yours[name], bound))
        return found


def _opened(path: Path) -> Source:
    return ElvesFile(path) if is_elves(map_file(path)) else open_model(path)


def _kind(tensor: Tensor) -> tuple[str, tuple[int, ...]]:
    return tensor.dtype, tensor.shape


def _difference(one: Source, mine: Tensor, other: Source, yours: Tensor, bound: float | None) -> Difference:
    allowed = [bound, *(source.bound_of(mine.name) for source in (one, other) if isinstance(source, ElvesFile))]
    found = Difference(mine.name, mine.dtype, mine.n_params)
    found.bound = max((item for item in allowed if item is not None), default=None)
    energy = error = largest = 0.0
    for before, after in zip(_pieces(one, mine), _pieces(other, yours), strict=True):
        found.changed_bits += int(np.bitwise_count(before ^ after).sum(dtype=np.int64))
        changed = _changed(before, after, mine.dtype)
        found.changed_values += int(np.count_nonzero(changed))
        if mine.dtype in FLOATS:
            values, errors = _errors(before, after, mine.dtype, changed)
            energy += float(np.square(values).sum())
            error += float(np.square(errors).sum())
            largest = max(largest, float(errors.max(initial=0)))
    if mine.dtype in FLOATS:
        found.max_abs_error = largest
        found.relative_error = 0.0 if error == 0 else math.sqrt(error / energy) if energy else math.inf
    return found


def _pieces(source: Source, tensor: Tensor) -> Iterator[Bytes]:
    if isinstance(source, ElvesFile):
        pieces = source.pieces(tensor)
    else:
        data = source.bytes(tensor)
        pieces = (data[start : start + WINDOW] for start in range(0, data.size, WINDOW))
    for piece in pieces:
        yield piece
        source.release()


def _changed(before: Bytes, after: Bytes, dtype: str) -> NDArray[np.bool_]:
    """Which values have other bits; which bytes, where elements do not fall on bytes."""
    width = DTYPES[dtype].block_bytes if DTYPES[dtype].numpy is not None else 1
    changed: NDArray[np.bool_] = (before != after).reshape(-1, width).any(axis=1)
    return changed


def _errors(before: Bytes, after: Bytes, dtype: str, changed: NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """Values before, 0 where they are not finite, and magnitudes of errors, infinite where one of the two is not."""
    one, other = (widen(typed(data, dtype), dtype).astype(np.float64) for data in (before, after))
    finite = np.isfinite(one)
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.where(changed, np.abs(one - other), 0)
    errors[changed & ~(finite & np.isfinite(other))] = np.inf
    return np.where(finite, one, 0), errors
