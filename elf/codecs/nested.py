"""The smallest of several codecs for one block: what remains after another codec's own step is coded by this.

Codecs are tried on a sample first. Only those within `TOLERANCE` of the best there are tried on the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elf.codecs.base import Codec, Values
from elf.codecs.packed import Packed
from elf.codecs.pco import Pcodec
from elf.codecs.split import Split
from elf.codecs.stored import Stored
from elf.codecs.varint import Reader
from elf.codecs.zstd import Zstd
from elf.errors import ElfError

RUNS = 4
RUN = 4096
TOLERANCE = 1.01

INNER: tuple[Codec, ...] = (Stored(), Zstd(), Split(), Packed(), Pcodec())
"""In coded bytes a codec is named by its place here: append only."""


def encode_best(values: Values, dtype: str) -> bytes:
    """Code by the smallest of `INNER`; an empty array as nothing."""
    if values.size == 0:
        return b""
    coded = [(codec.encode(values, dtype), index) for index, codec in shortlist(values, dtype, INNER)]
    data, index = min(((data, index) for data, index in coded if data is not None), key=lambda pair: len(pair[0]))
    return bytes([index]) + data


def decode_best(data: bytes, out: Values, dtype: str) -> None:
    """Fill `out`. Raises ElfError when `data` is damaged."""
    reader = Reader(data)
    if out.size:
        index = reader.take(1)[0]
        if index >= len(INNER) or not INNER[index].applies(dtype):
            raise ElfError(f"damaged data: no codec of number {index} for {dtype}")
        INNER[index].decode(reader.rest(), out, dtype)
    reader.end()


def shortlist(values: Values, dtype: str, codecs: Sequence[Codec]) -> list[tuple[int, Codec]]:
    """Those codecs, each with its place, that code a sample of `values` to at most `TOLERANCE` times the smallest."""
    able = [(index, codec) for index, codec in enumerate(codecs) if codec.applies(dtype)]
    if values.size <= 2 * RUNS * RUN or len(able) == 1:
        return able
    few = sample(values)
    sizes = [len(data) if (data := codec.matching(sample).encode(few, dtype)) is not None else None for _, codec in able]
    limit = TOLERANCE * min(size for size in sizes if size is not None)
    return [pair for pair, size in zip(able, sizes, strict=True) if size is not None and size <= limit]


def sample(values: Values) -> Values:
    """A few runs of `values`, spread evenly: the same places for the same number of values."""
    starts = [i * (values.size - RUN) // (RUNS - 1) for i in range(RUNS)]
    return np.concatenate([values[start : start + RUN] for start in starts])
