"""What the Hugging Face Hub stores today: Xet's chunks, each as the smallest of raw, LZ4 and byte-grouped LZ4.

As Xet's public code describes it: an LZ4 frame, or one over the bytes grouped by four (byte 0 of all words, then byte
1, ...; a rest of 1 to 3 bytes goes to the first groups), with 8 bytes of header a chunk. The chunks are those of our
rule of the same sizes; the frames are those of the reference LZ4, not of the Rust one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.compression.coding import Coder, Total
from analysis.contents.chunking import XET, Chunker, blocks
from elf.codecs.base import Codec, Values
from elf.codecs.peers.lz4 import Lz4
from elf.formats.base import ModelFile

HEADER_BYTES = 8
GROUPS = 4


@dataclass(frozen=True)
class GroupedLz4(Codec):
    """BG4: LZ4 over bytes grouped by four."""

    name = "bg4-lz4"

    def encode(self, values: Values, dtype: str) -> bytes:  # noqa: ARG002
        """As `Codec.encode`."""
        return Lz4().encode(grouped(values.view(np.uint8)), "u8")

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:  # noqa: ARG002
        """As `Codec.decode`."""
        mixed = np.empty(out.nbytes, np.uint8)
        Lz4().decode(data, mixed, "u8")
        ungroup(mixed, out.view(np.uint8))


def grouped(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every fourth byte from the first on, then from the second on, and so on: (n,)."""
    return np.concatenate([data[start::GROUPS] for start in range(GROUPS)])


def ungroup(mixed: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """The inverse of `grouped`."""
    at = 0
    for start in range(GROUPS):
        group = out[start::GROUPS]
        group[:] = mixed[at : at + group.size]
        at += group.size


def xet(model: ModelFile) -> dict[str, Total]:
    """Totals by scheme: `xet` picks the smallest of three for each chunk, `xet-lz4` of raw and LZ4."""
    plain, both = Coder(Lz4()), Coder(GroupedLz4())
    found = {"xet": Total(), "xet-lz4": Total()}
    for index in range(len(model.parts)):
        data = model.part(index)
        for start, stop in _chunks(data):
            chunk = data[start:stop]
            lz4, bg4 = (coder.size(chunk, "u8") or chunk.size for coder in (plain, both))
            for name, coded in (("xet", min(lz4, bg4)), ("xet-lz4", lz4)):
                _add(found[name], chunk.size, coded)
        model.release()
    return found


def _add(total: Total, size: int, coded: int) -> None:
    total.n_units += 1
    total.n_kept += coded >= size
    total.bytes_in += size
    total.bytes_out += min(coded, size) + HEADER_BYTES


def _chunks(data: NDArray[np.uint8]) -> list[tuple[int, int]]:
    chunker = Chunker(data, [XET], np.array([data.size], np.int64)[: data.size])
    found = []
    for start, stop in blocks(data.size):
        at_file, _ = chunker.advance(start, stop)
        found += list(zip(at_file.starts.tolist(), (at_file.starts + at_file.lengths).tolist(), strict=True))
    return found
