"""A tensor's payload in pieces: what `choose` gives, without ever holding all of a large one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

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
