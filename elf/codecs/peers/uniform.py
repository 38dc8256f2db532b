"""Uniform quantization: the step of the bound, codes of one width. With its codes entropy-coded it is Elf.

What the study compares with is not known beyond its name; this is the plainest reading of it at an equal bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer
from elf.codecs.peers.quantized import steps
from elf.errors import ElfError


@dataclass(frozen=True)
class Uniform(Peer):
    """Steps of 2 * 2 ** -step above the smallest value, each in as many bits as the largest needs.

    Coded bytes: the width in bits, the smallest number of steps (8 bytes), then the codes in planes of 8, 4, 2 and 1
    bits, none of them compressed.
    """

    name = "uniform"
    package = "numpy"
    lossless = False
    step: int = 24

    def applies(self, dtype: str) -> bool:
        return dtype in ("f32", "f64")

    def encode(self, values: Values, dtype: str) -> bytes | None:
        from elf.kernels.planes import take

        whole = steps(values, self.step)
        if whole is None:
            return None
        lowest = int(whole.min())
        codes = (whole - lowest).view(f"<u{whole.itemsize}")
        bits = int(codes.max()).bit_length()
        pieces = [bytes([bits]), lowest.to_bytes(8, "little", signed=True)]
        for shift, width in planes(bits):
            plane = np.empty(-(-codes.size * width // 8), np.uint8)
            take(codes, codes.dtype.type(shift), width, plane)
            pieces.append(plane.tobytes())
        return b"".join(pieces)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        from elf.kernels.planes import put

        bits, lowest = data[0], int.from_bytes(data[1:9], "little", signed=True)
        codes = np.zeros(out.size, np.uint64)
        at = 9
        for shift, width in planes(bits):
            size = -(-out.size * width // 8)
            if at + size > len(data):
                raise ElfError("damaged data: codes are missing")
            put(np.frombuffer(data[at : at + size], np.uint8), np.uint64(shift), width, codes)
            at += size
        whole = codes.view(np.int64) + lowest
        np.multiply(whole, np.float64(2.0 ** (1 - self.step)), out=out, casting="unsafe")


def planes(bits: int) -> list[tuple[int, int]]:
    """Shift and width of every plane, from the lowest bit up."""
    widths = [8] * (bits // 8) + [width for width in (4, 2, 1) if bits % 8 & width]
    return [(sum(widths[:i]), width) for i, width in enumerate(widths)]
