"""One pass over the parameters of a model file: exponents, sums, and distances between repeats.

A tensor that shares the bytes of another one is not counted again. Counts are by role and dtype, repeats by dtype: all
tensors of a dtype follow one another in the file's order, as distance encoding sees them (Su et al., PVLDB 17(8), 2024,
encode the tensors of one dtype of a model together).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.contents.elements import decoded_patterns
from analysis.measure import Emit
from elf.formats.base import ModelFile
from elf.kernels.distinct import count_patterns
from elf.kernels.octaves import count_fields, count_lengths, sums
from elf.kernels.repeats import DISTANCES, count_repeats
from elf.tensor import DTYPES, DType, Tensor

EXPONENTS = pa.schema(
    [
        ("role", pa.string()),
        ("dtype", pa.string()),
        ("exponent", pa.int32()),  # floats: field less bias; integers: floor(log2 |v|), -1 for zero
        ("n", pa.int64()),
        ("n_negative", pa.int64()),  # of these, with the sign bit set
    ]
)
MAGNITUDES = pa.schema(
    [
        ("role", pa.string()),
        ("dtype", pa.string()),
        ("n_finite", pa.int64()),
        ("minimum", pa.float64()),
        ("maximum", pa.float64()),
        ("sum", pa.float64()),
        ("sum_squares", pa.float64()),
    ]
)
REPEATS = pa.schema([("dtype", pa.string()), ("log2_distance", pa.int32()), ("n", pa.int64())])

PIECE = 1 << 22
"""Elements that are looked at before the mapped memory is given back."""

FIELDS = {
    "f16": (10, 5, 15), "bf16": (7, 8, 127), "f32": (23, 8, 127), "f64": (52, 11, 1023), "f8_e4m3": (3, 4, 7),
    "f8_e4m3fnuz": (3, 4, 8), "f8_e5m2": (2, 5, 15), "f8_e5m2fnuz": (2, 5, 16), "f8_e8m0": (0, 8, 127),
}  # fmt: skip
"""Of each float type: bits of mantissa and exponent, and the exponent's bias."""

Array = NDArray[Any]


def look_at(model: ModelFile, window: int, emit: Emit) -> None:
    """Emit `exponents`, `magnitudes` and `repeats` of one model file. Raises ElfError when a tensor cannot be decoded.

    Types whose elements do not fall on bytes, and complex ones, have no rows.
    """
    own = [tensor for tensor in model.tensors if tensor.alias_of is None and _is_counted(tensor)]
    kinds = sorted({(tensor.role, tensor.dtype) for tensor in own})
    found = {kind: _Sizes(DTYPES[kind[1]]) for kind in kinds}
    for tensor in own:
        for piece in _pieces(model, tensor):
            found[tensor.role, tensor.dtype].add(piece)
    _emit(emit, "exponents", EXPONENTS, [{**_kind(kind), **row} for kind in kinds for row in found[kind].exponents()])
    rows = [{**_kind(kind), **row} for kind in kinds for row in found[kind].magnitudes()]
    _emit(emit, "magnitudes", MAGNITUDES, rows)
    _emit(emit, "repeats", REPEATS, list(_repeats(model, own, window)))


def _is_counted(tensor: Tensor) -> bool:
    numpy = DTYPES[tensor.dtype].numpy
    return numpy is not None and numpy.kind != "c" and tensor.n_params > 0


def _kind(kind: tuple[str, str]) -> dict[str, str]:
    return {"role": kind[0], "dtype": kind[1]}


def _emit(emit: Emit, name: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> None:
    if rows:
        emit(name, pa.Table.from_pylist(rows, schema))


def _pieces(model: ModelFile, tensor: Tensor) -> Iterator[Array]:
    """The elements in aligned arrays of the dtype's NumPy type, which are copies."""
    numpy = DTYPES[tensor.dtype].numpy
    assert numpy is not None
    data = model.bytes(tensor)
    step = PIECE * numpy.itemsize
    for start in range(0, data.size, step):
        yield np.frombuffer(data[start : start + step].tobytes(), numpy)
        if data.size > step:
            model.release()


@dataclass
class _Sizes:
    """What all tensors of one role and dtype add up to."""

    dtype: DType
    counts: Array = field(init=False)
    sums: list[tuple[int, float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = np.zeros((2, 65), np.int64)
        if self.dtype.is_float:
            mantissa = FIELDS[self.dtype.name][0]
            self.counts = np.zeros(1 << (8 * self.dtype.block_bytes - mantissa), np.int64)

    def add(self, piece: Array) -> None:
        if not self.dtype.is_float:
            count_lengths(piece.view(np.uint8) if piece.dtype == np.bool_ else piece, self.counts)
            return
        width = self.dtype.block_bytes
        patterns = piece.view(f"<u{width}")
        count_fields(patterns, patterns.dtype.type(FIELDS[self.dtype.name][0]), self.counts)
        self.sums.append(_sums(self.dtype.name, piece, patterns))

    def exponents(self) -> Iterator[dict[str, int]]:
        """Rows of `exponents` that are not empty."""
        (total, negative), lowest = self._by_exponent()
        for place in np.flatnonzero(total):
            yield {"exponent": int(place) - lowest, "n": int(total[place]), "n_negative": int(negative[place])}

    def _by_exponent(self) -> tuple[Array, int]:
        """All and negative ones by place, shape (2, places), and what to take from a place for the exponent."""
        if not self.dtype.is_float:
            return self.counts, 1
        _, bits, bias = FIELDS[self.dtype.name]
        signed = self.counts.reshape(-1, 1 << bits)  # one row without a sign, two with
        negative = signed[1] if len(signed) == 2 else np.zeros_like(signed[0])
        return np.stack([signed.sum(axis=0), negative]), bias

    def magnitudes(self) -> Iterator[dict[str, float | None]]:
        """The row of `magnitudes`; none for integers. Sums too large for float64 are null."""
        if self.dtype.is_float:
            n, low, high, total, squares = zip(*self.sums, strict=True)
            row: dict[str, float] = {"n_finite": sum(n), "minimum": min(low), "maximum": max(high)}
            row |= {"sum": _added(total), "sum_squares": _added(squares)}
            yield {name: value if np.isfinite(value) else None for name, value in row.items()}


def _added(numbers: tuple[float, ...]) -> float:
    """One after another: `sum` of newer Pythons compensates, and gives other digits."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def _sums(dtype: str, piece: Array, patterns: Array) -> tuple[int, float, float, float, float]:
    if piece.dtype.kind == "f" and piece.itemsize > 2:
        return sums(piece, np.empty(0, np.int64))
    occurrences = np.zeros(1 << (8 * piece.itemsize), np.int64)
    count_patterns(patterns, occurrences)
    return sums(decoded_patterns(dtype), occurrences)


def _repeats(model: ModelFile, tensors: list[Tensor], window: int) -> Iterator[dict[str, Any]]:
    for dtype in sorted({tensor.dtype for tensor in tensors}):
        counts = np.zeros(DISTANCES, np.int64)
        for patterns in _windows(model, [tensor for tensor in tensors if tensor.dtype == dtype], window):
            counts += count_repeats(patterns)
        for place in np.flatnonzero(counts):
            yield {"dtype": dtype, "log2_distance": int(place) - 1, "n": int(counts[place])}


def _windows(model: ModelFile, tensors: list[Tensor], window: int) -> Iterator[Array]:
    """All patterns of some tensors of one dtype, `window` at a time; each array is overwritten by the next."""
    width = DTYPES[tensors[0].dtype].block_bytes
    buffer = np.empty(min(window, sum(tensor.n_params for tensor in tensors)), f"<u{width}")
    n = 0
    for tensor in tensors:
        for piece in _pieces(model, tensor):
            patterns = piece.view(buffer.dtype)
            while patterns.size:
                taken = patterns[: buffer.size - n]
                buffer[n : n + taken.size] = taken
                n, patterns = n + taken.size, patterns[taken.size :]
                if n == buffer.size:
                    yield buffer
                    n = 0
    if n:
        yield buffer[:n]
