"""Noise that a model file is compared with: Gaussian, of the same shape, with each tensor's mean and deviation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elf.kernels.distinct import distinct_in_place
from elf.kernels.sets import add_finite, n_shared
from elf.tensor import DTYPES

NOISE = pa.schema(
    [
        ("dtype", pa.string()),  # f16, f32 or f64
        ("n_params", pa.int64()),
        ("n_values", pa.int64()),  # distinct bit patterns of the file
        ("n_noise", pa.int64()),  # distinct bit patterns of the noise
        ("n_shared", pa.int64()),  # those that both have
    ]
)
FLOATS: dict[str, Any] = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
PIECE = 1 << 20
"""Elements that are drawn at a time."""
MOST = 1 << 26
"""Parameters of one dtype above which a file has no noise: 512 MiB for both sets of f32."""


class Noise:
    """Takes the tensors of a file piece by piece and draws as many Gaussian numbers for each.

    They have the tensor's mean and standard deviation (of its finite values, in float64), rounded to its dtype.
    """

    def __init__(self, seed: int, tensors: Iterable[tuple[str, int]]) -> None:
        self._random = np.random.Generator(np.random.PCG64(seed))
        totals: Counter[str] = Counter()
        for dtype, n_params in tensors:
            totals[dtype] += n_params
        taken = {name: n for name, n in totals.items() if n <= MOST and name in FLOATS}
        self._values = {name: np.empty(n, f"<u{DTYPES[name].block_bytes}") for name, n in sorted(taken.items())}
        self._noise = {name: np.empty_like(values) for name, values in self._values.items()}
        self._filled: Counter[str] = Counter()
        self._drawn: Counter[str] = Counter()

    def add(self, dtype: str, patterns: NDArray[Any]) -> None:
        """Take a piece of a tensor, given as bit patterns."""
        if dtype in self._values:
            start = self._filled[dtype]
            self._filled[dtype] += patterns.size
            self._values[dtype][start : start + patterns.size] = patterns

    def end_tensor(self, dtype: str) -> None:
        """A tensor ended: draw its noise."""
        if dtype not in self._values:
            return
        here = slice(self._drawn[dtype], self._filled[dtype])
        self._drawn[dtype] = self._filled[dtype]
        values, noise = self._values[dtype][here], self._noise[dtype][here]
        mean, deviation = _moments(values, dtype)
        for start in range(0, noise.size, PIECE):
            piece = noise[start : start + PIECE]
            drawn = self._random.standard_normal(piece.size) * deviation + mean
            with np.errstate(over="ignore", invalid="ignore"):
                piece[:] = drawn.astype(FLOATS[dtype]).view(piece.dtype)

    def table(self) -> pa.Table:
        """One row a dtype, of schema NOISE; to be called once, at the end."""
        rows = [self._row(dtype) for dtype in self._values]
        return pa.Table.from_pylist(rows, schema=NOISE)

    def _row(self, dtype: str) -> dict[str, object]:
        n_params = self._values[dtype].size
        values, noise = distinct_in_place(self._values[dtype]), distinct_in_place(self._noise[dtype])
        row = {"dtype": dtype, "n_params": n_params, "n_values": values.size, "n_noise": noise.size}
        return {**row, "n_shared": n_shared(values, noise)}


def _moments(patterns: NDArray[Any], dtype: str) -> tuple[float, float]:
    """Mean and standard deviation of the finite values, 0 and 0 when there are none."""
    total, n = _sum(patterns, dtype, 0.0, 1)
    if n == 0:
        return 0.0, 0.0
    mean = total / n
    squares, _ = _sum(patterns, dtype, mean, 2)
    return mean, math.sqrt(squares / n)


def _sum(patterns: NDArray[Any], dtype: str, centre: float, power: int) -> tuple[float, float]:
    total = n = 0.0
    for start in range(0, patterns.size, PIECE):
        piece = patterns[start : start + PIECE].view(FLOATS[dtype]).astype(np.float64)
        more, finite = add_finite(piece, centre, power)
        total, n = total + more, n + finite
    return total, n
