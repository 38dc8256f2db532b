"""Elf as published: the reference that the evaluation measures, and not what `elf.encode` writes.

Su, Ammar, Wang, Anwar, Cheng: Everything You Always Wanted to Know About Storage Compressibility of Pre-Trained ML
Models but Were Afraid to Ask. PVLDB 17(8), 2024. The layout below is pinned by the authors' public code (ds2-lab/ELF,
ELF/elf_pthread.cpp):

- A value with |w| < limit becomes the mantissa of |w| + 1.0, computed in the value's own type, and below it a sign bit,
which is
  1 where w < 0. Codes stand side by side in the order of the values, highest bit first: 24 bits for f32 (three bytes),
  11
  for f16 and 53 for f64, the last byte filled with zeros.
- Every other value is left out of the codes and kept as it is, with its position.
- Limits: 0.999 compared as float32 for f16; 0.9999999 as a float32, which is 1 - 2^-23, for f32; 0.99999999999 for f64.

The authors' program cuts its input into as many parts as it has threads, and positions count from the start of a part,
in 32 bits. Here there is one part, and positions have 64 bits.

f32 and f64 were compared byte by byte with that code, compiled, on 130,000 values of each type, every limit and random
bit patterns included. f16 is pinned by reading: there the code computes with Eigen's half, whose sum with 1.0 is
rounded once.

What the layout does not keep: -0.0 becomes +0.0. A value of at most half a code (2^-24 in f32) becomes 0, with its
sign. NaN and infinities are kept exactly, as values beyond the limit. For f16 the error of up to 2^-11 is coarse for
weights. bf16 is not part of the published method.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.errors import ElfError

MANTISSA = {"float16": 10, "float32": 23, "float64": 52}
"""Bits of a code below its sign, by the name of the NumPy type."""

LIMIT: dict[str, Any] = {
    "float16": np.float32(0.999), "float32": np.float32(0.9999999), "float64": np.float64(0.99999999999),
}  # fmt: skip
"""Values are coded below this magnitude."""

_PART = 1 << 16


def encode(array: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[Any]]:
    """Codes as bytes, and positions (in C order) and values of what is not coded; shapes (bytes,), (rest,), (rest,).

    Raises ElfError for anything but float16, float32 and float64.
    """
    values = np.ascontiguousarray(array).reshape(-1)
    name = _known(values)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    with np.errstate(invalid="ignore"):  # a signalling NaN is compared
        coded = np.abs(values, dtype=LIMIT[name].dtype) < LIMIT[name]
    within = values[coded]
    shifted = (np.abs(within) + within.dtype.type(1)).view(f"u{within.itemsize}")
    mantissas = shifted & shifted.dtype.type((1 << MANTISSA[name]) - 1)
    codes = (mantissas << shifted.dtype.type(1)) | (within < 0)
    return _pack(codes, MANTISSA[name] + 1), np.flatnonzero(~coded), values[~coded]


def decode(codes: NDArray[np.uint8], positions: NDArray[np.int64], values: NDArray[Any]) -> NDArray[Any]:
    """What `encode` coded, shape (count,), of the type of `values`, even where that is empty.

    Raises ElfError when the codes do not end where a code ends, or a position is out of range, out of order or doubled.
    """
    name = _known(values)
    width = MANTISSA[name] + 1
    count = 8 * codes.size // width
    if -(-count * width // 8) != codes.size:
        raise ElfError(f"{codes.size} bytes are no whole number of codes of {width} bits")
    total = count + values.size
    if positions.shape != values.shape or np.any(np.diff(positions, prepend=-1, append=total) < 1):
        raise ElfError(f"positions must rise, lie below {total} and be as many as the values")
    numbers = _unpack(codes, count, width, values.itemsize)
    one = np.ones(1, values.dtype).view(numbers.dtype)
    magnitudes = ((numbers >> numbers.dtype.type(1)) | one).view(values.dtype) - values.dtype.type(1)
    out = np.empty(total, values.dtype)
    out[positions] = values
    coded = np.ones(total, np.bool_)
    coded[positions] = False
    out[coded] = np.where(numbers & numbers.dtype.type(1), -magnitudes, magnitudes)
    return out


def _known(values: NDArray[Any]) -> str:
    if values.dtype.name not in MANTISSA:
        raise ElfError(f"the published Elf codes float16, float32 and float64, not {values.dtype}")
    return values.dtype.name


def _pack(codes: NDArray[Any], width: int) -> NDArray[np.uint8]:
    """The lowest `width` bits of every code, highest first, side by side. Parts end on a byte: they hold 2^16 codes."""
    parts = [np.empty(0, np.uint8)]
    for start in range(0, codes.size, _PART):
        part = codes[start : start + _PART]
        bits = np.unpackbits(part.astype(part.dtype.newbyteorder(">")).view(np.uint8)).reshape(part.size, -1)
        parts.append(np.packbits(bits[:, -width:]))
    return np.concatenate(parts)


def _unpack(packed: NDArray[np.uint8], count: int, width: int, itemsize: int) -> NDArray[Any]:
    codes = np.empty(count, f"u{itemsize}")
    for start in range(0, count, _PART):
        part = codes[start : start + _PART]
        raw = packed[start * width // 8 : -(-(start + part.size) * width // 8)]
        bits = np.zeros((part.size, 8 * itemsize), np.uint8)
        bits[:, -width:] = np.unpackbits(raw, count=part.size * width).reshape(-1, width)
        part[:] = np.packbits(bits).view(f">u{itemsize}")
    return codes
