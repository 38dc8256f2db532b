"""pcodec over quantized integers: the strongest general coder of numbers behind the plainest quantizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer


@dataclass(frozen=True)
class Quantized(Peer):
    """The values in steps of 2 * 2 ** -step, rounded, as one pcodec file: a byte for the width before it."""

    name = "quantized-pcodec"
    package = "pcodec"
    lossless = False
    step: int = 24
    level: int = 8

    def applies(self, dtype: str) -> bool:
        return dtype in ("f32", "f64")

    def encode(self, values: Values, dtype: str) -> bytes | None:
        from pcodec import ChunkConfig, standalone

        whole = steps(values, self.step)
        if whole is None:
            return None
        packed = standalone.simple_compress(whole, ChunkConfig(compression_level=self.level))
        return bytes([whole.itemsize]) + bytes(packed)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        from pcodec import standalone

        whole = np.empty(out.size, f"<i{data[0]}")
        standalone.simple_decompress_into(bytes(data[1:]), whole)
        np.multiply(whole, out.dtype.type(2.0 ** (1 - self.step)), out=out, casting="unsafe")


_PART = 1 << 18


def steps(values: Values, step: int) -> NDArray[Any] | None:
    """Values in steps of 2 * 2 ** -step, rounded half to even, as i32 or i64; None where one is not finite or large."""
    largest = float(np.abs(values).max(initial=0))
    if not largest * 2.0 ** (step - 1) < 2.0**52:  # NaN is not less either
        return None
    whole = np.empty(values.size, "<i4" if largest * 2.0 ** (step - 1) < 2.0**30 else "<i8")
    for start in range(0, values.size, _PART):
        part = values[start : start + _PART] * np.float64(2.0 ** (step - 1))
        whole[start : start + _PART] = np.rint(part)
    return whole
