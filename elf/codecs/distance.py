"""Distance encoding as in the study (Su et al., PVLDB 17(8), 2024), with a decoder.

The bit layout is that of the authors' public code, which has none.

Scan from left to right. A pattern's first sighting is a bit 0, and the pattern goes to a list. A repeat is a bit 1, the
length of the distance to its last sighting, and the distance, highest bit first. Here the patterns are bits, not
numbers, so that -0.0 and every NaN are their own; and the length has 5 bits as published only while distances are below
2^31, then 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elf.codecs.base import Codec, Values, bits_of
from elf.codecs.varint import Reader, varint
from elf.errors import ElfError
from elf.tensor import DTYPES


@dataclass(frozen=True)
class Distance(Codec):
    """The number of distinct patterns, the patterns, and the bit stream. Linear in time."""

    name = "distance"

    def applies(self, dtype: str) -> bool:
        numpy = DTYPES[dtype].numpy
        return numpy is not None and numpy.kind != "c"

    def encode(self, values: Values, dtype: str) -> bytes:
        from elf.kernels.distance import encode

        bits = bits_of(values)
        slots = np.full(1 << (2 * bits.size - 1).bit_length(), -1, np.int64)
        distinct = np.empty_like(bits)
        field = _field(bits.size)
        stream = np.zeros(bits.size * (1 + field + bits.size.bit_length()) // 8 + 1, np.uint8)
        used, found = encode(bits, slots, stream, distinct, field)
        return varint(found) + distinct[:found].tobytes() + stream[: -(-used // 8)].tobytes()

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        from elf.kernels.distance import decode

        reader = Reader(data)
        found = reader.varint()
        distinct = np.frombuffer(reader.take(found * out.itemsize), bits_of(out).dtype)
        stream = np.frombuffer(reader.rest(), np.uint8)
        used, read = decode(stream, distinct, _field(out.size), bits_of(out))
        if read != found or -(-used // 8) != stream.size:
            raise ElfError("damaged data: distances and patterns do not belong together")


def _field(count: int) -> int:
    return 5 if count <= 1 << 31 else 6
