"""Bit rounding (Klöwer et al., Nature Computational Science 1, 2021): low mantissa bits rounded away, then zstd."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Values, bits_of
from elf.codecs.peers.base import Peer
from elf.codecs.split import MANTISSA


@dataclass(frozen=True)
class BitRound(Peer):
    """As few mantissa bits as keep the largest value within 2 ** -step; the floats through zstd.

    With `shuffle`, bytes of equal place stand together first, as the method's users have it in HDF5 and zarr.
    """

    name = "bitround"
    package = "zstandard"
    lossless = False
    step: int = 24
    level: int = 3
    shuffle: int = 1

    def applies(self, dtype: str) -> bool:
        return dtype in ("f32", "f64")

    def encode(self, values: Values, dtype: str) -> bytes | None:
        import zstandard

        largest = float(np.abs(values).max(initial=0))
        if not math.isfinite(largest):
            return None
        kept = math.frexp(largest)[1] - 2 + self.step if largest else 0  # an error of half a unit of the last bit
        rounded = rounded_to(values, max(0, MANTISSA[dtype] - max(0, kept)))
        data = rounded.view(np.uint8).reshape(-1, values.itemsize).T if self.shuffle else rounded
        return zstandard.ZstdCompressor(level=self.level).compress(np.ascontiguousarray(data).data)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import zstandard

        raw = np.frombuffer(zstandard.ZstdDecompressor().decompress(data), np.uint8)
        if self.shuffle:
            out.view(np.uint8).reshape(-1, out.itemsize)[:] = raw.reshape(out.itemsize, -1).T
        else:
            out.view(np.uint8)[:] = raw


def rounded_to(values: Values, dropped: int) -> Values:
    """Finite floats without their `dropped` lowest bits, rounded to nearest, ties to even."""
    if dropped == 0:
        return values
    bits = bits_of(values)
    kind = bits.dtype.type
    half = kind((1 << (dropped - 1)) - 1)
    rounded = (bits + (half + ((bits >> kind(dropped)) & kind(1)))) >> kind(dropped) << kind(dropped)
    result: Values = rounded.view(values.dtype)
    return result
