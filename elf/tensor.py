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
    *(_plain(f"{kind}{8 * size}", f"<{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)),
    *(_plain(f"f{8 * size}", f"<f{size}", is_float=True) for size in (2, 4, 8)),
    _plain("bf16", "<u2", is_float=True),
    *(_plain(name, "|u1", is_float=True) for name in ("f8_e4m3", "f8_e4m3fnuz", "f8_e5m2", "f8_e5m2fnuz", "f8_e8m0")),
    _plain("c64", "<c8"),
    _plain("c128", "<c16"),
]
_PACKED = [
    *(DType(f"{kind}2", 4, 1, None, False) for kind in "iu"),
    *(DType(f"{kind}4", 2, 1, None, False) for kind in "iu"),
    DType("f4_e2m1", 2, 1, None, True),
    *(DType(name, 4, 3, None, True) for name in ("f6_e2m3", "f6_e3m2")),
]
# The block-quantised types of ggml: elements and bytes of a block.
_BLOCKS = {
    "q1_0": (128, 18), "q2_0": (64, 18), "q4_0": (32, 18), "q4_1": (32, 20),
    "q5_0": (32, 22), "q5_1": (32, 24), "q8_0": (32, 34),
    "q2_k": (256, 84), "q3_k": (256, 110), "q4_k": (256, 144), "q5_k": (256, 176), "q6_k": (256, 210),
    "q8_k": (256, 292),
    "iq1_s": (256, 50), "iq1_m": (256, 56), "iq2_xxs": (256, 66), "iq2_xs": (256, 74), "iq2_s": (256, 82),
    "iq3_xxs": (256, 98), "iq3_s": (256, 110), "iq4_nl": (32, 18), "iq4_xs": (256, 136),
    "tq1_0": (256, 54), "tq2_0": (256, 66), "mxfp4": (32, 17), "nvfp4": (64, 36),
}  # fmt: skip
_QUANTISED = [DType(name, block, size, None, False) for name, (block, size) in _BLOCKS.items()]

DTYPES: dict[str, DType] = {dtype.name: dtype for dtype in [*_PLAIN, *_PACKED, *_QUANTISED]}
"""Every element type by its name."""

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
    `axes` is set only in what `ModelFile.as_stored` gives: stored axis i is axis `axes[i]` of the tensor.
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
    axes: tuple[int, ...] | None = None

    @property
    def n_params(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)
