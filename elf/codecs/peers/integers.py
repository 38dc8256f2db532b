"""What people do instead: symmetric integer quantization with a scale for the tensor or for each channel.

The bound is the method's own: half a scale, which is the largest magnitude over 127 or 32767.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from elf.codecs.base import Values
from elf.codecs.nested import decode_best, encode_best
from elf.codecs.peers.base import Peer


@dataclass(frozen=True)
class Integers(Peer):
    """Scales (f32), then integers: as they are, or with `coded` by the smallest of this library's lossless codecs.

    With `channel` each slice along the first axis of the natural shape has a scale of its own.
    """

    package = "numpy"
    lossless = False
    bits: ClassVar[int]
    channel: int = 0
    coded: int = 0

    def applies(self, dtype: str) -> bool:
        return dtype == "f32"

    def encode(self, values: Values, dtype: str) -> bytes | None:
        if not np.isfinite(values).all():
            return None
        rows = values.reshape(self._rows(values.size), -1)
        scales = (np.abs(rows).max(axis=1) / np.float32(self._top)).astype("<f4")
        safe = np.where(scales > 0, scales, np.float32(1))
        codes = np.clip(np.rint(rows / safe[:, None]), -self._top, self._top).astype(self._kind).reshape(-1)
        body = encode_best(codes, self._name) if self.coded else codes.tobytes()
        return bytes(scales.tobytes() + body)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        count = self._rows(out.size)
        scales = np.frombuffer(data[: 4 * count], "<f4")
        codes: NDArray[Any] = np.empty(out.size, self._kind)
        if self.coded:
            decode_best(data[4 * count :], codes, self._name)
        else:
            codes[:] = np.frombuffer(data[4 * count :], self._kind)
        with np.errstate(over="ignore"):  # a scale is rounded up at times
            np.multiply(codes.reshape(count, -1), scales[:, None], out=out.reshape(count, -1))

    def _rows(self, size: int) -> int:
        return self.shape[0] if self.channel and self.shape and size else 1

    @property
    def _top(self) -> int:
        return (1 << (self.bits - 1)) - 1

    @property
    def _kind(self) -> str:
        return f"<i{self.bits // 8}"

    @property
    def _name(self) -> str:
        return f"i{self.bits}"


@dataclass(frozen=True)
class Int8(Integers):
    """8-bit integers."""

    name = "int8"
    bits = 8


@dataclass(frozen=True)
class Int16(Integers):
    """16-bit integers."""

    name = "int16"
    bits = 16
