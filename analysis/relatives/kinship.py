"""Two related files beside each other, bit by bit: what their float layers have in common, and what chance gives.

Only matched layers whose bytes differ are looked at: identical ones are hash deduplication's. Chance is the same layers
with one side shuffled (in pieces of PIECE parameters): equal marginals, no kinship.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.measure import Emit
from analysis.relatives.pairing import match, slots
from elf.codecs.base import FLOATS
from elf.codecs.split import MANTISSA
from elf.formats.base import ModelFile
from elf.kernels.compare import different_bits, leading_bytes, shuffled, sums

PIECE = 1 << 24
"""Parameters of a layer that are looked at together: memory is bounded by a few times their bytes."""
STEP = 1 << 20
"""Parameters that are turned into float64 at a time."""

COUNTS = (
    "n_layers", "n_layers_identical", "n_params_identical", "n_params", "n_equal", "n_sign", "n_exponent", "n_lead_1",
    "n_lead_2", "n_bytes_leading", "n_finite", "null_equal", "null_sign", "null_exponent", "null_lead_1", "null_lead_2",
    "null_bytes_leading",
)  # fmt: skip
"""What is counted over the layers of one dtype and role; `null_`: with one side shuffled."""

SUMS = ("sum_ab", "sum_aa", "sum_bb", "sum_dd", "null_sum_ab", "null_sum_dd")
"""Sums in float64 over finite pairs: products, squares, squared differences."""

KINSHIP = pa.schema(
    [
        ("dtype", pa.string()),
        ("role", pa.string()),
        *((name, pa.int64()) for name in COUNTS),
        *((name, pa.float64()) for name in SUMS),
    ]
)
BITS = pa.schema(
    [
        ("dtype", pa.string()),
        ("bit", pa.int32()),
        ("field", pa.string()),
        ("n_params", pa.int64()),
        ("n_equal", pa.int64()),
        ("null_equal", pa.int64()),
    ]
)

Row = dict[str, Any]
Array = NDArray[Any]


def compare(a: ModelFile, b: ModelFile, emit: Emit) -> None:
    """Emit `kinship` (a row for each dtype and role) and `bits` (a row for each dtype and bit) of two files.

    Raises ElfError when a tensor cannot be decoded.
    """
    found = _Found()
    for x, y in match(slots(a), slots(b)):
        if y.dtype not in FLOATS:
            continue
        tensor = b.tensors[y.index]
        row = found.rows[y.dtype, tensor.role]
        if x.content == y.content:
            _add(row, {"n_layers_identical": 1, "n_params_identical": tensor.n_params})
        else:
            _add(row, {"n_layers": 1})
            one, two = a.bytes(a.tensors[x.index]), b.bytes(tensor)
            found.add(y.dtype, tensor.role, patterns(one, y.dtype), patterns(two, y.dtype))
            a.release()
            b.release()
    emit("kinship", pa.Table.from_pylist(found.kinship(), schema=KINSHIP))
    emit("bits", pa.Table.from_pylist(list(found.bit_rows()), schema=BITS))


class _Found:
    """What was counted so far: a row for each dtype and role; for each dtype n, equal and null by bit, (3, bits)."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = defaultdict(lambda: dict.fromkeys(COUNTS, 0) | dict.fromkeys(SUMS, 0.0))
        self.bits: dict[str, Array] = {}

    def add(self, dtype: str, role: str, one: Array, two: Array) -> None:
        """Count one layer."""
        for start in range(0, two.size, PIECE):
            self._add_piece(dtype, role, one[start : start + PIECE], two[start : start + PIECE])

    def _add_piece(self, dtype: str, role: str, one: Array, two: Array) -> None:
        other = shuffled(two)
        equal, null = (two.size - different_bits(one, side) for side in (two, other))
        counted = self.bits.setdefault(dtype, np.zeros((3, equal.size), np.int64))
        counted += np.stack([np.full(equal.size, two.size), equal, null])
        row = self.rows[dtype, role]
        _add(row, {"n_params": two.size} | {f"n_{name}": n for name, n in _agreement(one, two, dtype).items()})
        _add(row, {f"null_{name}": n for name, n in _agreement(one, other, dtype).items()})
        _add(row, _sums(one, two, other, dtype))

    def kinship(self) -> list[Row]:
        """The rows of `kinship`, sorted."""
        return [{"dtype": dtype, "role": role, **row} for (dtype, role), row in sorted(self.rows.items())]

    def bit_rows(self) -> Iterator[Row]:
        """The rows of `bits`, sorted."""
        for dtype, counted in sorted(self.bits.items()):
            for bit, (n, equal, null) in enumerate(counted.T.tolist()):
                place = {"dtype": dtype, "bit": bit, "field": field_of(dtype, bit)}
                yield place | {"n_params": n, "n_equal": equal, "null_equal": null}


def patterns(data: NDArray[np.uint8], dtype: str) -> Array:
    """The bit patterns of float elements, given as bytes."""
    width = {"f16": 2, "bf16": 2, "f32": 4, "f64": 8}[dtype]
    return data.view(f"<u{width}")


def _agreement(one: Array, two: Array, dtype: str) -> Row:
    """How many parameters agree: wholly, in sign, in the exponent's whole field, in their leading bytes."""
    lead = leading_bytes(one, two)
    mantissa, top = MANTISSA[dtype], 8 * two.itemsize - 1
    different = one ^ two
    exponent = (different >> two.dtype.type(mantissa)) & two.dtype.type((1 << (top - mantissa)) - 1)
    return {
        "equal": int(lead[-1]),
        "sign": int(np.count_nonzero((different >> two.dtype.type(top)) == 0)),
        "exponent": int(np.count_nonzero(exponent == 0)),
        "lead_1": int(lead[1:].sum()),
        "lead_2": int(lead[2:].sum()),
        "bytes_leading": int(lead @ np.arange(lead.size)),
    }


def _sums(one: Array, two: Array, other: Array, dtype: str) -> Row:
    row: Row = {"n_finite": 0} | dict.fromkeys(SUMS, 0.0)
    for start in range(0, two.size, STEP):
        a, b, c = (as_float64(side[start : start + STEP], dtype) for side in (one, two, other))
        n, ab, aa, bb, dd = sums(a, b)
        _, null_ab, _, _, null_dd = sums(a, c)
        _add(row, {"n_finite": n} | dict(zip(SUMS, (ab, aa, bb, dd, null_ab, null_dd), strict=True)))
    return row


def as_float64(patterns: Array, dtype: str) -> NDArray[np.float64]:
    """Bit patterns of floats as float64; a NaN may get another payload."""
    with np.errstate(invalid="ignore"):  # a signalling NaN
        if dtype == "bf16":
            return (patterns.astype("<u4") << np.uint32(16)).view("<f4").astype(np.float64)
        return patterns.view(f"<f{patterns.itemsize}").astype(np.float64)


def _add(row: Row, found: Row) -> None:
    for name, value in found.items():
        row[name] += value


def field_of(dtype: str, bit: int) -> str:
    """The float field that a bit belongs to, bit 0 being the lowest of the mantissa."""
    width = {"f16": 16, "bf16": 16, "f32": 32, "f64": 64}[dtype]
    return "sign" if bit == width - 1 else "exponent" if bit >= MANTISSA[dtype] else "mantissa"
