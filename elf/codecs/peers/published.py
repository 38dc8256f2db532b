"""The published layout of Elf, codes side by side, behind zstd level 3 as the authors' pipeline has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf import paper
from elf.codecs.base import Values
from elf.codecs.peers.base import Peer

_PART = 1 << 18


@dataclass(frozen=True)
class Published(Peer):
    """Codes, positions and values of `elf.paper`, in one zstd frame; f32 only, at its one bound of 2^-24.

    Sections stand behind their lengths, 8 bytes each; positions have 32 bits, as published.
    Parts of 2^18 values are coded one after another, which gives the same codes as one part: 2^18 codes of 24 bits end
    on a byte.
    """

    name = "elf-published"
    package = "zstandard"
    lossless = False
    step: int = 24
    level: int = 3

    def applies(self, dtype: str) -> bool:
        return dtype == "f32" and self.step == 24

    def encode(self, values: Values, dtype: str) -> bytes:
        import zstandard

        codes, positions, rest = [], [], []
        for start in range(0, values.size, _PART):
            found = paper.encode(values[start : start + _PART])
            codes.append(found[0].tobytes())
            positions.append((found[1] + start).astype("<u4").tobytes())
            rest.append(found[2].tobytes())
        sections = [b"".join(parts) for parts in (codes, positions, rest)]
        heads = [len(section).to_bytes(8, "little") for section in sections]
        return zstandard.ZstdCompressor(level=self.level).compress(b"".join(heads + sections))

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import zstandard

        raw = zstandard.ZstdDecompressor().decompress(data)
        sizes = [int.from_bytes(raw[8 * i : 8 * i + 8], "little") for i in range(3)]
        ends = np.cumsum([24, *sizes])
        codes = np.frombuffer(raw[24 : ends[1]], np.uint8)
        positions = np.frombuffer(raw[ends[1] : ends[2]], "<u4").astype(np.int64)
        out[:] = paper.decode(codes, positions, np.frombuffer(raw[ends[2] : ends[3]], out.dtype))
