"""The dictionary of values: parameter granularity as hash deduplication counts it, as bytes that can be decoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import zstandard

from elf.codecs.base import Codec, Values, bits_of
from elf.codecs.entropy import expand_frame
from elf.codecs.varint import Reader, prefixed, varint
from elf.errors import ElfError
from elf.tensor import DTYPES


@dataclass(frozen=True)
class ValueDictionary(Codec):
    """The distinct bit patterns in rising order, then for each value ceil(log2 distinct) bits that say which.

    Without the limits of our codec `table`, so that it can be larger than what it codes. `level` 0 keeps both as they
    are; another one codes table and indices with zstd at this level. Indices lie in planes of 8, 4, 2 and 1 bits.
    """

    name = "dictionary"
    level: int = 0

    def applies(self, dtype: str) -> bool:
        """As `Codec.applies`."""
        numpy = DTYPES[dtype].numpy
        return numpy is not None and numpy.kind != "c"

    def encode(self, values: Values, dtype: str) -> bytes:  # noqa: ARG002
        """As `Codec.encode`."""
        from elf.kernels.planes import take

        distinct, places = np.unique(bits_of(values), return_inverse=True)
        codes, pieces = places.astype(np.uint32), []
        for shift, width in _planes(distinct.size):
            plane = np.empty(-(-codes.size * width // 8), np.uint8)
            take(codes, np.uint32(shift), width, plane)
            pieces.append(plane.tobytes())
        streams = [distinct.tobytes(), b"".join(pieces)]
        return varint(distinct.size) + b"".join(prefixed(self._coded(stream)) for stream in streams)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:  # noqa: ARG002
        """As `Codec.decode`."""
        from elf.kernels.planes import put

        reader = Reader(data)
        count = reader.varint()
        if not 1 <= count <= out.size:
            raise ElfError(f"damaged data: a dictionary of {count} values for {out.size}")
        planes = _planes(count)
        bits = bits_of(out)
        table = np.frombuffer(self._raw(reader.prefixed(), count * bits.itemsize), bits.dtype)
        sizes = [-(-bits.size * width // 8) for _, width in planes]
        raw = np.frombuffer(self._raw(reader.prefixed(), sum(sizes)), np.uint8)
        reader.end()
        codes = np.zeros(bits.size, np.uint32)
        for (shift, width), size, stop in zip(planes, sizes, np.cumsum(sizes).tolist(), strict=True):
            put(raw[stop - size : stop], np.uint32(shift), width, codes)
        if codes.max() >= count:
            raise ElfError(f"damaged data: place {codes.max()} in a dictionary of {count} values")
        np.take(table, codes, out=bits)

    def _coded(self, stream: bytes) -> bytes:
        if not self.level or not stream:  # one distinct value needs no indices
            return stream
        return zstandard.ZstdCompressor(level=self.level, write_content_size=False).compress(stream)

    def _raw(self, coded: memoryview, size: int) -> bytes:
        if self.level and size:
            return expand_frame(coded, size, zstandard.ZstdDecompressor(), zstandard.FORMAT_ZSTD1)
        if len(coded) != size:
            raise ElfError(f"damaged data: {len(coded)} bytes instead of {size}")
        return bytes(coded)


def _planes(distinct: int) -> list[tuple[int, int]]:
    """Planes for ceil(log2 distinct) bits, from the lowest up."""
    bits, planes, shift = max(0, distinct - 1).bit_length(), [], 0
    for width in (*[8] * (bits // 8), *(width for width in (4, 2, 1) if bits % 8 & width)):
        planes.append((shift, width))
        shift += width
    return planes
