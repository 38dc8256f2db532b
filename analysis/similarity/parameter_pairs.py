"""Two files, parameter by parameter: equal bits at one place of one tensor, and how many chance would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.measure import Emit
from analysis.similarity.parameter_sets import own
from elf.formats.base import ModelFile
from elf.kernels.sets import n_equal_draws
from elf.tensor import DTYPES, Tensor

EQUAL = pa.schema(
    [
        ("n_a", pa.int64()),  # parameters of the first file
        ("n_b", pa.int64()),
        ("n_compared", pa.int64()),  # places of tensors that both have, by name and dtype
        ("n_same_layout", pa.int64()),  # of these, in tensors of one shape
        ("n_equal", pa.int64()),  # places with equal bits
        ("n_by_chance", pa.float64()),  # expected when each tensor's values are shuffled
    ]
)
PIECE_BYTES = 1 << 23
SORTED = 1 << 24
"""Elements of a tensor that are sorted for the expectation; of a larger one, that many at equal distances."""


def compare(a: ModelFile, b: ModelFile, emit: Emit) -> None:
    """Emit `equal`, one row. Raises ElfError when a tensor cannot be decoded."""
    tensors_a, tensors_b = own(a), own(b)
    there = {(tensor.name, tensor.dtype): tensor for tensor in tensors_b}
    row: dict[str, Any] = dict.fromkeys(EQUAL.names, 0)
    row |= {"n_a": sum(t.n_params for t in tensors_a), "n_b": sum(t.n_params for t in tensors_b)}
    for tensor in tensors_a:
        other = there.get((tensor.name, tensor.dtype))
        if other is not None:
            for name, count in _compared(a, tensor, b, other).items():
                row[name] += count
            a.release()
            b.release()
    emit("equal", pa.Table.from_pylist([row], schema=EQUAL))


def _compared(a: ModelFile, tensor_a: Tensor, b: ModelFile, tensor_b: Tensor) -> dict[str, float]:
    """The counts of one tensor of both files; where one is longer, the places that both have are compared."""
    n = min(tensor_a.n_params, tensor_b.n_params)
    if n == 0:
        return {}
    data_a, data_b = a.bytes(tensor_a), b.bytes(tensor_b)
    width = DTYPES[tensor_a.dtype].block_bytes
    return {
        "n_compared": n,
        "n_same_layout": n if tensor_a.shape == tensor_b.shape else 0,
        "n_equal": _n_equal(data_a[: n * width], data_b[: n * width], width),
        "n_by_chance": n * _chance(data_a, data_b, width),
    }


def _n_equal(a: NDArray[np.uint8], b: NDArray[np.uint8], width: int) -> int:
    pieces = range(0, a.size, PIECE_BYTES)
    return sum(
        int(np.count_nonzero(_patterns(a[i : i + PIECE_BYTES], width) == _patterns(b[i : i + PIECE_BYTES], width)))
        for i in pieces
    )


def _chance(a: NDArray[np.uint8], b: NDArray[np.uint8], width: int) -> float:
    """The chance that an element of one tensor, drawn at random, equals one of the other: what shuffling leaves."""
    sample_a, sample_b = _sorted(a, width), _sorted(b, width)
    draws: float = n_equal_draws(sample_a, sample_b)
    return draws / (float(sample_a.size) * float(sample_b.size))


def _sorted(data: NDArray[np.uint8], width: int) -> NDArray[Any]:
    step = max(1, -(-(data.size // width) // SORTED))
    rows = data.reshape(-1, width)[::step]
    return np.sort(_patterns(np.ascontiguousarray(rows).reshape(-1), width))


def _patterns(data: NDArray[np.uint8], width: int) -> NDArray[Any]:
    """Elements as unsigned integers, aligned."""
    return np.array(data).view(f"<u{width}")
