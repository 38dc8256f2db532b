"""Entropy: the floor under every coder that codes value by value, byte by byte, bit by bit or field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from analysis.measure import Emit, Measure

if TYPE_CHECKING:
    from elf.formats.base import ModelFile

ENTROPY = pa.schema(
    [
        ("dtype", pa.string()),
        ("field", pa.string()),  # value, byte, bit, sign, exponent, mantissa
        ("position", pa.int32()),  # of bytes and bits, from the lowest up
        ("width", pa.int32()),  # bits
        ("n_layers", pa.int64()),
        ("n_params", pa.int64()),
        ("bits_plug_in", pa.float64()),  # of all values together
        ("bits_estimate", pa.float64()),
    ]
)


class EntropyParams(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _run(model: ModelFile, params: EntropyParams, emit: Emit) -> None:  # noqa: ARG001
    from analysis.compression.entropy import coverage_adjusted, fields, plug_in
    from analysis.compression.units import layers
    from elf.tensor import DTYPES

    found: dict[tuple[str, str, int, int], list[float]] = {}
    for piece in layers(model):
        numpy = DTYPES[piece.dtype].numpy
        if numpy is None or numpy.kind == "c":
            continue
        for field, position, width, counts in fields(piece.values, piece.coded):
            row = found.setdefault((piece.dtype, field, position, width), [0, 0, 0.0, 0.0])
            n = piece.values.size
            sums = (1, n, n * plug_in(counts), n * coverage_adjusted(counts, width))
            row[:] = [total + more for total, more in zip(row, sums, strict=True)]
    rows = [dict(zip(ENTROPY.names, (*key, *row), strict=True)) for key, row in sorted(found.items())]
    emit("entropy", pa.Table.from_pylist(rows, schema=ENTROPY))


MEASURE = Measure("entropy", 1, EntropyParams, _run)
