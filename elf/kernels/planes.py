"""Planes: a few bits of every code, taken out and put back. Arrays are 1-D and contiguous."""

from __future__ import annotations

from typing import Any

import numpy as np

from elf.kernels import kernel


@kernel
def take(codes: Any, shift: Any, width: Any, plane: Any) -> None:
    """Fill the uint8 `plane` with bits [shift, shift + width) of every code; width is 1, 2, 4 or 8.

    A byte of a narrow plane holds 8 / width codes that lie `plane.size` apart, not side by side, so that each loop runs
    over contiguous memory. `plane.size` is ceil(codes.size * width / 8); `shift` has the type of `codes`.
    """
    mask = codes.dtype.type((1 << width) - 1)
    for i in range(plane.size):
        plane[i] = np.uint8((codes[i] >> shift) & mask)
    for k in range(1, 8 // width):
        part = codes[k * plane.size : (k + 1) * plane.size]
        up = codes.dtype.type(k * width)
        for i in range(part.size):
            plane[i] |= np.uint8(((part[i] >> shift) & mask) << up)


@kernel
def put(plane: Any, shift: Any, width: Any, codes: Any) -> None:
    """Set in `codes` the bits that `take` took; what was in these bits must be zero."""
    mask = np.uint8((1 << width) - 1)
    for k in range(8 // width):
        part = codes[k * plane.size : (k + 1) * plane.size]
        down = np.uint8(k * width)
        for i in range(part.size):
            part[i] |= codes.dtype.type((plane[i] >> down) & mask) << shift
