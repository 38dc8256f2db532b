"""zstd over the bytes as they are: what model hubs and the published study compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import zstandard

from elf.codecs.base import Codec, Values
from elf.codecs.entropy import expand_frame


@dataclass(frozen=True)
class Zstd(Codec):
    """One zstd frame a block."""

    name = "zstd"
    level: int = 3

    def encode(self, values: Values, dtype: str) -> bytes:
        return zstandard.ZstdCompressor(level=self.level, write_content_size=False).compress(values.tobytes())

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        raw = expand_frame(data, out.nbytes, zstandard.ZstdDecompressor(), zstandard.FORMAT_ZSTD1)
        out[:] = np.frombuffer(raw, out.dtype)
