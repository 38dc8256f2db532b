"""Elf: floats as fixed-point codes of one exponent, within a guaranteed bound.

The idea is the study's (Su et al., PVLDB 17(8), 2024): map every parameter to one exponent and drop it. The published
codec adds 1.0 and keeps the mantissa, which for f32 is round_half_even(|w| * 2^23) and a sign: fixed point with step
2^-23. Here the step is any power of two, codes are as wide as the largest value asks, and their random low bits are
kept apart from the rest. `elf/paper.py` has the published layout.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.codecs.base import FLOATS, Codec, Values, bits_of
from elf.codecs.entropy import expand, squeeze
from elf.codecs.packed import HEADROOM
from elf.codecs.planes import decode_planes, encode_planes, join, split
from elf.codecs.split import MANTISSA
from elf.codecs.varint import Reader, prefixed, varint
from elf.codecs.widths import narrow, widen
from elf.errors import ElfError

LARGEST_STEP = {"f16": 100, "bf16": 100, "f32": 100, "f64": 900}
"""Steps from 2^-n to 2^n: within it no restored value but 0 is subnormal in the type that is computed in."""

_LARGE = 1 << 16

Floats = NDArray[np.float32] | NDArray[np.float64]


class _Scratch(threading.local):
    """Arrays that a thread uses again for every block: fresh memory costs more than the arithmetic."""

    def get(self, use: str, count: int, dtype: Any) -> NDArray[Any]:
        kept: NDArray[Any] | None = self.__dict__.get(use)
        if kept is None or kept.nbytes < count * np.dtype(dtype).itemsize:
            kept = self.__dict__[use] = np.empty(count * np.dtype(dtype).itemsize, np.uint8)
        return kept[: count * np.dtype(dtype).itemsize].view(dtype)


_scratch = _Scratch()


@dataclass(frozen=True)
class Elf(Codec):
    """Codes with step 2^step: no restored value is further than half a step from the original.

    What that cannot be said of (NaN, infinities, values of 2^31 steps or more; 2^62 in f64) is kept exactly, apart.
    """

    name = "elf"
    lossless = False
    step: int = -23

    @property
    def bound(self) -> float:
        """The largest absolute error."""
        return 2.0 ** (self.step - 1)

    def applies(self, dtype: str) -> bool:
        return dtype in FLOATS and abs(self.step) <= LARGEST_STEP[dtype]

    def encode(self, values: Values, dtype: str) -> bytes:
        return self.encode_with_result(values, dtype)[0]

    def encode_with_result(self, values: Values, dtype: str) -> tuple[bytes, Values]:
        """The bytes and the restored values; these lie in memory that the thread's next block overwrites."""
        wide = widen(values, dtype)
        restored = _scratch.get("restored", wide.size, wide.dtype)
        low, largest = self._spread(wide)
        usual = wide.size >= _LARGE and wide.dtype == np.float32 and low == 16
        usual = usual and largest <= _pattern((2**23 - 1) * 2.0**self.step)
        codes, sound = (self._three_bytes if usual else self.quantized)(wide, restored)
        result = narrow(restored, dtype)
        broken = np.empty(0, np.int64) if sound and result is restored else self.beyond(result, wide, dtype)
        result[broken] = values[broken]
        before = exceptions(broken, values)
        if usual:
            return join(codes, 16, 24, before), result
        return encode_planes(codes, low, int(codes.max()).bit_length(), before), result

    def beyond(self, result: Values, wide: Floats, dtype: str) -> NDArray[np.int64]:
        """Where a restored value, rounded to its type, is further from the original than the bound allows."""
        with np.errstate(invalid="ignore"):
            return np.flatnonzero(~(np.abs(widen(result, dtype) - wide) <= wide.dtype.type(self.bound)))

    def _three_bytes(self, wide: Floats, restored: Floats) -> tuple[NDArray[Any], bool]:
        """The planes of the usual case, f32 with its boundary at two bytes, and whether the bound holds everywhere."""
        from elf.kernels.elf import quantize_bytes

        planes = _scratch.get("planes", 3 * wide.size, np.uint8).reshape(3, -1)
        scale, step = np.float32(2.0**-self.step), np.float32(2.0**self.step)
        low, middle, high = planes
        worst = quantize_bytes(wide, bits_of(wide), low, middle, high, restored, scale, step)
        return planes, bool(worst <= _pattern(self.bound))

    def quantized(self, wide: Floats, restored: Floats) -> tuple[NDArray[Any], bool]:
        """The codes of any case, magnitude * 2 + sign, and whether the bound holds everywhere; fills `restored`."""
        from elf.kernels.elf import quantize

        kind, bits = wide.dtype.type, bits_of(wide)
        codes = _scratch.get("codes", wide.size, bits.dtype)
        most = 31 if wide.itemsize == 4 else 62
        limit = kind(min(float(np.nextafter(kind(2**most), kind(0))) * 2.0**self.step, float(np.finfo(kind).max)))
        broken = quantize(
            wide,
            bits,
            codes,
            restored,
            limit,
            kind(2.0**-self.step),
            kind(2.0**self.step),
            kind(self.bound),
            bits.dtype.type(8 * wide.itemsize - 1),
        )
        return codes, bool(broken == 0)

    def _spread(self, wide: Floats) -> tuple[int, int]:
        """How many low bits of a code are random, from the codes' mean length; and the largest magnitude's pattern."""
        from elf.kernels.elf import magnitudes

        bits = bits_of(wide)
        word, mantissa = 8 * wide.itemsize, MANTISSA[f"f{8 * wide.itemsize}"]
        floor = (1 << (word - 2 - mantissa)) - 2 + self.step  # the exponent below which a value rounds to 0
        kind = bits.dtype.type
        largest, total = magnitudes(bits, kind((1 << (word - 1)) - 1), kind(mantissa), kind(floor))
        low = max(0, round(int(total) / wide.size) - floor + 1 - HEADROOM)
        low += {1: -1, 7: 1}.get(low % 8, 0)  # a boundary one bit off a byte costs 0.03 % and saves a plane
        return low, int(largest)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        reader = Reader(data)
        positions, kept = read_exceptions(reader, out)
        wide = out if dtype in ("f32", "f64") else _scratch.get("restored", out.size, np.float32)
        self._restore(reader.rest(), wide)
        if wide is not out:
            out[:] = narrow(wide, dtype)
        out[positions] = kept

    def _restore(self, data: memoryview, wide: Floats) -> None:
        from elf.kernels.elf import dequantize, dequantize_bytes

        step = wide.dtype.type(2.0**self.step)
        if wide.dtype == np.float32 and data[:2] == bytes([16, 24]):
            low, middle, high = (plane for plane, _ in split(data, wide.size, 32))
            dequantize_bytes(low, middle, high, wide, step)
            return
        codes = _scratch.get("codes", wide.size, bits_of(wide).dtype)
        decode_planes(data, codes)
        dequantize(codes, wide, step)


def _pattern(number: float) -> int:
    """The bits of a float32. Patterns of magnitudes order as the magnitudes do, with NaN above everything."""
    return int(bits_of(np.array([number], np.float32))[0])


def exceptions(positions: NDArray[np.int64], values: Values) -> bytes:
    """Their number, and behind its length: the gaps between positions and the values' bytes."""
    if positions.size == 0:
        return varint(0)
    gaps = np.diff(positions, prepend=0).astype("<u4")
    return varint(positions.size) + prefixed(*squeeze(gaps.tobytes() + values[positions].tobytes()))


def read_exceptions(reader: Reader, out: Values) -> tuple[NDArray[np.int64], Values]:
    """Positions and values that `exceptions` wrote. Raises ElfError when they do not fit `out`."""
    count = reader.varint()
    if count > out.size:
        raise ElfError(f"damaged data: {count} exceptions among {out.size} values")
    raw = expand(reader.prefixed(), count * (4 + out.itemsize)) if count else b""
    positions = np.cumsum(np.frombuffer(raw[: 4 * count], "<u4"), dtype=np.int64)
    if count and positions[-1] >= out.size:
        raise ElfError(f"damaged data: an exception at {positions[-1]} of {out.size} values")
    return positions, np.frombuffer(raw[4 * count :], out.dtype)
