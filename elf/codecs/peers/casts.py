"""What people do instead: cast to 16 bits, and keep those exactly. The error is the cast's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from elf.codecs.base import Values
from elf.codecs.nested import decode_best, encode_best
from elf.codecs.peers.base import Peer
from elf.codecs.widths import narrow, widen
from elf.tensor import DTYPES


@dataclass(frozen=True)
class Cast(Peer):
    """Rounded to nearest to a narrower float, then the smallest of this library's lossless codecs for one block."""

    package = "numpy"
    lossless = False
    narrower: ClassVar[str]

    def applies(self, dtype: str) -> bool:
        return dtype == "f32"

    def encode(self, values: Values, dtype: str) -> bytes:
        return encode_best(narrow(values, self.narrower), self.narrower)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        short = np.empty(out.size, DTYPES[self.narrower].numpy)
        decode_best(data, short, self.narrower)
        out[:] = widen(short, self.narrower)


@dataclass(frozen=True)
class CastBf16(Cast):
    """Cast to bf16: a relative error of 2^-8 at most."""

    name = "cast-bf16"
    narrower = "bf16"


@dataclass(frozen=True)
class CastF16(Cast):
    """Cast to f16: a relative error of 2^-11 at most from 6e-5 on, an absolute one below; 65520 and more overflow."""

    name = "cast-f16"
    narrower = "f16"
