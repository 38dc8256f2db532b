"""Steps: Elf's codes as signed integers, coded by pcodec.

Slower than Elf's planes and mostly as large. It wins where most weights are smaller than the bound, so that the sign of
what rounds to zero need not be kept, and where codes have a structure that bytes hide, such as a common factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.codecs.base import Values, bits_of
from elf.codecs.elf import Elf, Floats, exceptions, read_exceptions
from elf.codecs.pco import Pcodec
from elf.codecs.varint import Reader
from elf.codecs.widths import narrow, widen


@dataclass(frozen=True)
class Steps(Elf):
    """The values that Elf restores at the same step, but without a sign where a negative one rounds to zero."""

    name = "steps"
    slow = True

    def encode_with_result(self, values: Values, dtype: str) -> tuple[bytes, Values]:
        wide = widen(values, dtype)
        restored = np.empty_like(wide)
        codes, sound = self.quantized(wide, restored)
        restored[codes == 1] = 0  # integers have no negative zero: what rounds to one becomes zero ...
        result = narrow(restored, dtype)
        lost = np.flatnonzero(_negative_zeros(wide))  # ... and what is one is kept
        if not sound or result is not restored:
            lost = np.union1d(lost, self.beyond(result, wide, dtype))
        result[lost] = values[lost]
        signed = _signed(codes)
        return exceptions(lost, values) + Pcodec().encode(signed, _name(signed)), result

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        reader = Reader(data)
        positions, kept = read_exceptions(reader, out)
        wide = out if dtype in ("f32", "f64") else np.empty(out.size, np.float32)
        signed = np.empty(out.size, f"<i{wide.itemsize}")
        Pcodec().decode(reader.rest(), signed, _name(signed))
        np.multiply(signed, wide.dtype.type(2.0**self.step), out=wide, dtype=wide.dtype, casting="unsafe")
        if wide is not out:
            out[:] = narrow(wide, dtype)
        out[positions] = kept


def _signed(codes: NDArray[Any]) -> NDArray[Any]:
    """Magnitude * 2 + sign as a signed integer of the same width."""
    magnitude = (codes >> 1).view(f"<i{codes.itemsize}")
    return np.where(codes & 1, -magnitude, magnitude)


def _negative_zeros(wide: Floats) -> NDArray[np.bool_]:
    bits = bits_of(wide)
    found: NDArray[np.bool_] = bits == bits.dtype.type(1 << (8 * bits.itemsize - 1))
    return found


def _name(signed: NDArray[Any]) -> str:
    return f"i{8 * bits_of(signed).itemsize}"
