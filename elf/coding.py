"""A tensor's payload in pieces: what `choose` gives, without ever holding all of a large one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from elf.choose import choose
from elf.codecs.base import Codec, Values
from elf.codecs.elf import Elf
from elf.codecs.nested import shortlist
from elf.codecs.packed import Packed
from elf.codecs.pco import Pcodec
from elf.codecs.split import Split
from elf.codecs.stored import Stored
from elf.codecs.zstd import Zstd
from elf.formats.base import Bytes
from elf.payload import encode_pieces
from elf.tensor import DTYPES

LARGE = 1 << 25
"""Tensors of more bytes than this are never coded in memory as a whole."""


STRIDE = 1 << 26
"""Bytes of a mapped file that are read before their memory is given back."""


class Passing(np.ndarray[Any, Any]):
    """A large mapped tensor that gives memory back while it is read: whoever reads it takes slices, one after another.

    Slices are plain arrays, and stay valid.
    """

    release: Callable[[], None]
    taken: int

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key).view(np.ndarray)
        self.taken += found.nbytes
        if self.taken > STRIDE:
            self.taken = 0
            self.release()
        return found


def passing(values: Values, release: Callable[[], None]) -> Values:
    """`values`, as `Passing` if they are many; `release` gives the memory of the mapped file back."""
    if values.nbytes <= LARGE:
        return values
    made = values.view(Passing)
    made.release, made.taken = release, 0
    return made


def typed(data: Bytes, dtype: str) -> Values:
    """A tensor's bytes as the values that a codec takes: of the NumPy type of `dtype`, or bytes where it has none."""
    numpy = DTYPES[dtype].numpy
    return data if numpy is None else data.view(numpy)


def pieces(
    values: Values, dtype: str, shape: tuple[int, ...], codecs: Sequence[Codec], *, threads: int = 1, large: int = LARGE
) -> Iterator[bytes]:
    """The bytes that `choose` gives, piece by piece.

    Beyond `large` bytes, each codec that may be the smallest costs a pass over the tensor, and the smallest another.
    """
    if values.nbytes <= large:
        yield choose(values, dtype, shape, codecs, threads=threads)
        return
    for piece in encode_pieces(values, dtype, shape, _best(values, dtype, shape, codecs, threads), threads=threads):
        assert piece is not None  # it took the whole tensor once already
        yield piece


def _best(values: Values, dtype: str, shape: tuple[int, ...], codecs: Sequence[Codec], threads: int) -> Codec:
    coded = dtype if DTYPES[dtype].numpy is not None else "u8"
    short = [codec for _, codec in shortlist(values, coded, codecs)]
    if len(short) == 1 and isinstance(short[0], _SURE):
        return short[0]
    sizes = [sum(map(_length, encode_pieces(values, dtype, shape, codec, threads=threads))) for codec in short]
    if min(sizes) < math.inf:
        return short[sizes.index(min(sizes))]
    return _best(values, dtype, shape, [codec for codec in codecs if codec not in short], threads)


_SURE = (Elf, Split, Packed, Pcodec, Zstd, Stored)
"""Take any values of a type that they apply to, so that alone on the list they need not be tried."""


def _length(piece: bytes | None) -> float:
    return math.inf if piece is None else len(piece)
