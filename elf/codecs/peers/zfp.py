"""zfp (Lindstrom, IEEE TVCG 20(12), 2014) through the `zfpy` package, in its mode of fixed accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer


@dataclass(frozen=True)
class Zfp(Peer):
    """One zfp stream within an absolute tolerance of 2 ** -step. NaN and infinities come back as finite numbers."""

    name = "zfp"
    package = "zfpy"
    lossless = False
    step: int = 24

    def applies(self, dtype: str) -> bool:
        return dtype in ("f32", "f64")

    def encode(self, values: Values, dtype: str) -> bytes:
        import zfpy

        array = np.require(values, requirements=["C", "A"]).reshape(matrix(self.shape) or values.shape)
        return bytes(zfpy.compress_numpy(array, tolerance=2.0**-self.step))

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import zfpy

        out[:] = zfpy.decompress_numpy(bytes(data)).reshape(-1)


def matrix(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The first axis by all others. zfp codes blocks of 4 in each dimension: kernels of 1 or 3 would be padded to it.

    Empty, for one dimension, where that happens to the matrix too.
    """
    rows, columns = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, 1)
    return (rows, columns) if min(rows, columns) >= _BLOCK else ()


_BLOCK = 4
