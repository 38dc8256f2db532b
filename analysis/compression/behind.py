"""A codec behind a transform, as a codec: every stream coded apart, each behind its length of four bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.compression.transforms import TRANSFORMS
from elf.codecs.base import Codec, Values
from elf.codecs.varint import Reader
from elf.errors import ElfError


@dataclass(frozen=True)
class Behind(Codec):
    """`inner` behind a transform; measured, never stored."""

    name = "behind"
    transform: str
    inner: Codec

    def applies(self, dtype: str) -> bool:
        """As `Codec.applies`."""
        return TRANSFORMS[self.transform].applies(dtype) and self.inner.applies("u8")

    def encode(self, values: Values, dtype: str) -> bytes | None:
        """As `Codec.encode`."""
        pieces: list[bytes] = []
        for stream in TRANSFORMS[self.transform].forward(values, dtype):
            coded = self.inner.encode(stream, "u8")
            if coded is None:
                return None
            pieces += len(coded).to_bytes(4, "little"), coded
        return b"".join(pieces)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        """As `Codec.decode`."""
        transform, reader, streams = TRANSFORMS[self.transform], Reader(data), []
        for _, width in transform.layout(dtype):
            stream = np.empty(-(-out.size * width // 8), np.uint8)
            self.inner.decode(reader.take(int.from_bytes(reader.take(4), "little")), stream, "u8")
            streams.append(stream)
        reader.end()
        if not streams:
            raise ElfError("damaged data: no streams")
        transform.inverse(streams, out, dtype)
