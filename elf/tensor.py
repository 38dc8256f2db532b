"""What a tensor is here: a name, a dtype, a shape, and where its bytes lie in a model file."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: `block` elements take `block_bytes` bytes.

    `numpy` is the little-endian NumPy type that holds one element exactly, or the unsigned integer of the same
    width where NumPy has none (bf16, fp8); it is None where elements do not fall on bytes (4-bit and block-quantised).
    """

    name: str
    block: int
    block_bytes: int
    numpy: np.dtype | None
    is_float: bool

    def nbytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of a tensor of this type and `shape`; the last block of each tensor is counted whole."""
        return -(-math.prod(shape) // self.block) * self.block_bytes


def _plain(name: str, code: str, *, is_float: bool = False) -> DType:
    dtype = np.dtype(code)
    return DType(name, 1, dtype.itemsize, dtype, is_float)


_PLAIN = [
    _plain("bool", "|b1"),
    *(_plain(f"{kind}{8 * size}", f"{'|' if size == 1 else '<'}{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)),
    *(_plain(f"f{8 * size}", f"<f{size}", is_float=True) for size in (2, 4, 8)),
    _plain("bf16", "<u2", is_float=True),
    *(_plain(name, "|u1", is_float=True) for name in ("f8_e4m3", "f8_e4m3fnuz", "f8_e5m2", "f8_e5m2fnuz", "f8_e8m0")),
    _plain("c64", "<c8"),
    _plain("c128", "<c16"),
]
_PACKED = [DType("i4", 2, 1, None, False), DType("u4", 2, 1, None, False), DType("f4_e2m1", 2, 1, None, True)]

DTYPES: dict[str, DType] = {dtype.name: dtype for dtype in [*_PLAIN, *_PACKED]}
"""Every element type by its name; formats with types of their own (GGUF's block-quantised ones) add them here."""

ROLES = ("weight", "norm", "bias", "optimizer", "scale", "other")
"""What a tensor is for: `norm` holds affine parameters and running statistics of normalisation, `scale` the scales and
zero points of quantisation, `optimizer` all training state, `other` tables, indices, buffers and constants."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named tensor of a model file.

    `offset` is where its bytes start in part `part` of the file when they are stored plain: little-endian, C order,
    contiguous, `nbytes` long. It is None when the bytes must be decoded (compressed, strided, big-endian, varint).
    `stored` counts the bytes of the part that belong to this tensor and to no tensor before it: `nbytes` when plain,
    the encoded length when decoded and known, 0 for an alias. `alias_of` names the tensor whose bytes these are.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    stored: int
    offset: int | None = None
    part: int = 0
    role: str = "weight"
    alias_of: str | None = None

    @property
    def n_params(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)
