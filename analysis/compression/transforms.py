"""Rearrangements before coding: from the values of a tensor to streams of bytes, each coded apart, and back.

A transform is a bijection on bit patterns (`codes`, `restore`) and a layout: the planes, as (shift, width) in bits,
that the patterns are cut into. One more transform is one more line in TRANSFORMS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.codecs.base import Values, bits_of
from elf.codecs.packed import alternate, unalternate
from elf.codecs.split import MANTISSA, sign_first, sign_last
from elf.tensor import DTYPES

Codes = NDArray[np.unsignedinteger[Any]]
Streams = list[NDArray[np.uint8]]
Layout = list[tuple[int, int]]

NONE = "none"


@dataclass(frozen=True)
class Transform:
    """One rearrangement; `layout(dtype)` is from the lowest bit up and covers every bit of the element once."""

    layout: Callable[[str], Layout]
    applies: Callable[[str], bool]
    codes: Callable[[Codes], Codes] = lambda bits: bits
    restore: Callable[[Codes], None] = lambda codes: None  # noqa: ARG005

    def forward(self, values: Values, dtype: str) -> Streams:
        """The streams, each (n * width / 8 rounded up,)."""
        from elf.kernels.planes import take

        codes, streams = self.codes(bits_of(values)), []
        for shift, width in self.layout(dtype):
            stream = np.empty(-(-codes.size * width // 8), np.uint8)
            take(codes, codes.dtype.type(shift), width, stream)
            streams.append(stream)
        return streams

    def inverse(self, streams: Streams, out: Values, dtype: str) -> None:
        """Fill `out`, the inverse of `forward`."""
        from elf.kernels.planes import put

        codes = bits_of(out)
        codes[:] = 0
        for stream, (shift, width) in zip(streams, self.layout(dtype), strict=True):
            put(stream, codes.dtype.type(shift), width, codes)
        self.restore(codes)


def _bits(dtype: str) -> int:
    numpy = DTYPES[dtype].numpy
    assert numpy is not None
    return 8 * numpy.itemsize


def _wide(dtype: str) -> bool:
    numpy = DTYPES[dtype].numpy
    return numpy is not None and numpy.itemsize > 1 and numpy.kind != "c"


def byte_layout(dtype: str) -> Layout:
    """One stream a byte of the element."""
    return [(shift, 8) for shift in range(0, _bits(dtype), 8)]


def bit_layout(dtype: str) -> Layout:
    """One stream a bit of the element."""
    return [(shift, 1) for shift in range(_bits(dtype))]


def field_layout(dtype: str) -> Layout:
    """With the sign turned to the lowest bit: the sign packed, the mantissa in bytes and its top packed, the exponent
    in bytes."""
    mantissa = MANTISSA[dtype]
    widths = (*[8] * (mantissa // 8), *(width for width in (4, 2, 1) if mantissa % 8 & width))
    starts = np.cumsum([1, *widths]).tolist()
    return [(0, 1), *zip(starts, widths, strict=False), *((shift, 8) for shift in range(1 + mantissa, _bits(dtype), 8))]


def delta(bits: Codes) -> Codes:
    """Differences to the value before, in two's complement, then zigzag: small of either sign become small."""
    steps = bits.copy()
    steps[1:] -= bits[:-1]
    return alternate(steps)


def undelta(codes: Codes) -> None:
    """The inverse of `delta`, in place."""
    unalternate(codes)
    np.cumsum(codes, out=codes, dtype=codes.dtype)


TRANSFORMS: dict[str, Transform] = {
    "byte_planes": Transform(byte_layout, _wide),
    "bit_planes": Transform(bit_layout, _wide),
    "fields": Transform(field_layout, lambda dtype: dtype in MANTISSA, sign_last, sign_first),
    "zigzag_delta": Transform(byte_layout, _wide, delta, undelta),
}
"""Every transform by its name; `none` is the name of doing nothing."""
