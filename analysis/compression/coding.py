"""The harness: units through a codec, counted, and every one of them back again, bit by bit.

A unit takes 4 bytes of length and flag beside its coded bytes, and is kept as it is where coding does not shorten it,
as every container does that serves. Doing nothing takes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

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


class Coder:
    """Codes unit after unit with one codec. `check` also decodes each. Raises ElfError when it comes back changed."""

    def __init__(self, codec: Codec, *, check: bool = True) -> None:
        self._codec = codec
        self._check = check
        self._smallest = max(1, codec.smallest if isinstance(codec, Peer) else 0)
        self._room = np.empty(0, np.uint8)

    def size(self, values: Values, dtype: str) -> int | None:
        """The number of coded bytes; None when the codec is not for these values."""
        if values.nbytes < self._smallest:
            return None
        data = self._codec.encode(values, dtype)
        if data is None:
            return None
        if self._check:
            self._verify(data, values, dtype)
        return len(data)

    def add(self, pieces: Iterable[Piece], total: Total, *, per_value: bool = False) -> None:
        """Code pieces into a total. Called for many small units: what adds microseconds to each is kept out of it."""
        size, n_units, n_kept, bytes_in, bytes_out = self.size, 0, 0, 0, 0
        for values, coded, _, taken in pieces:
            found = size(values, coded)
            units = values.size if per_value else 1
            n_units += units
            bytes_in += taken
            if found is None or found >= taken:
                n_kept += units
                found = taken
            bytes_out += found + LENGTH_BYTES
        total.n_units += n_units
        total.n_kept += n_kept
        total.bytes_in += bytes_in
        total.bytes_out += bytes_out

    def _verify(self, data: bytes, values: Values, dtype: str) -> None:
        if self._room.size < values.nbytes:
            self._room = np.empty(values.nbytes, np.uint8)
        out = self._room[: values.nbytes].view(values.dtype)
        self._codec.decode(memoryview(data), out, dtype)
        if not np.array_equal(out.view(np.uint8), values.view(np.uint8)):
            name = self._codec.name
            raise ElfError(f"{name} gave other bits back than it was given ({values.size} values of {dtype})")


def totals(pieces: Iterable[Piece], codec: Codec, *, per_value: bool = False, check: bool = True) -> dict[str, Total]:
    """What the pieces come to, by the dtype of the tensor; those of dtypes that the codec does not take are left out.

    `per_value`: every element counts as a unit.
    """
    found: dict[str, Total] = {}
    coder = Coder(codec, check=check)
    for (dtype, coded), run in groupby(pieces, itemgetter(2, 1)):
        if codec.applies(coded):
            coder.add(run, found.setdefault(dtype, Total()), per_value=per_value)
    return found
