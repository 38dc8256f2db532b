"""The harness: units through a codec, counted, and every one of them back again, bit by bit.

A unit takes 4 bytes of length and flag beside its coded bytes, and is kept as it is where coding does not shorten it,
as every container does that serves. Doing nothing takes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analysis.compression.units import Piece
from elf.codecs.base import Codec, Values
from elf.codecs.peers.base import Peer
from elf.errors import ElfError

LENGTH_BYTES = 4


@dataclass
class Total:
    """Units counted, their bytes before and after, and how many were kept as they are."""

    n_units: int = 0
    n_kept: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, n_units: int, bytes_in: int, coded: int | None) -> None:
        """One piece of `n_units` units; `coded` is None where it was not coded."""
        kept = coded is None or coded >= bytes_in
        self.n_units += n_units
        self.n_kept += n_units * kept
        self.bytes_in += bytes_in
        self.bytes_out += (bytes_in if kept or coded is None else coded) + LENGTH_BYTES


class Coder:
    """Codes piece after piece with one codec. `check` also decodes each. Raises ElfError when it comes back changed."""

    def __init__(self, codec: Codec, *, check: bool = True) -> None:
        self._codec = codec
        self._check = check
        self._smallest = codec.smallest if isinstance(codec, Peer) else 0
        self._room = np.empty(0, np.uint8)

    def size(self, values: Values, dtype: str, shape: tuple[int, ...] = ()) -> int | None:
        """The number of coded bytes; None when the codec is not for these values."""
        if values.nbytes < max(1, self._smallest):
            return None
        codec = self._codec.shaped(shape) if isinstance(self._codec, Peer) and shape else self._codec
        data = codec.encode(values, dtype)
        if data is None:
            return None
        if self._check:
            self._verify(codec, data, values, dtype)
        return len(data)

    def _verify(self, codec: Codec, data: bytes, values: Values, dtype: str) -> None:
        if self._room.size < values.nbytes:
            self._room = np.empty(values.nbytes, np.uint8)
        out = self._room[: values.nbytes].view(values.dtype)
        codec.decode(memoryview(data), out, dtype)
        if not np.array_equal(out.view(np.uint8), values.view(np.uint8)):
            raise ElfError(f"{codec.name} gave other bits back than it was given ({values.size} values of {dtype})")


def totals(pieces: Iterable[Piece], codec: Codec, *, per_value: bool = False, check: bool = True) -> dict[str, Total]:
    """What the pieces come to, by the dtype of the tensor; those of dtypes that the codec does not take are left out.

    `per_value`: every element counts as a unit.
    """
    found: dict[str, Total] = {}
    coder = Coder(codec, check=check)
    for piece in pieces:
        if codec.applies(piece.coded):
            total = found.setdefault(piece.dtype, Total())
            size = coder.size(piece.values, piece.coded, piece.shape)
            total.add(piece.values.size if per_value else 1, piece.bytes_in, size)
    return found
