"""The one interface of all codecs: a block of values becomes bytes, and the bytes fill the block again.

A codec of your own is one file like this, and one line in `elf/codecs/__init__.py`:

    @dataclass(frozen=True)
    class Reversed(Codec):
        '''The bytes, last one first.'''

        name = "reversed"
        pad: int = 0                                    # parameters are fields: integers with a default

        def encode(self, values, dtype):
            return bytes(self.pad) + values.tobytes()[::-1]

        def decode(self, data, out, dtype):
            if len(data) != self.pad + out.nbytes:
                raise ElfError("reversed: wrong length")
            out[:] = np.frombuffer(bytes(data[self.pad:])[::-1], out.dtype)

Block index, checksums, threads, names and shapes are the payload's (`elf/payload.py`);
`tests/codecs/test_every_codec.py` and the study's tables pick a new codec up by themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
"""1-D, contiguous, little-endian, in the NumPy type that `elf.tensor.DTYPES` gives for the dtype's name."""

FLOATS = ("f16", "bf16", "f32", "f64")


@dataclass(frozen=True)
class Codec(ABC):
    """One way of coding a block. Its fields are its parameters, all integers; equal codecs give equal bytes."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Of the coded bytes: raised when they change, so that stored results and files can tell."""
    lossless: ClassVar[bool] = True
    slow: ClassVar[bool] = False
    """Asked after the others, and only where it may still be the smallest: see `nested.shortlist`."""

    @property
    def params(self) -> dict[str, int]:
        """The parameters by name, as JSON would hold them."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.init and field.repr}

    def applies(self, dtype: str) -> bool:
        """Whether the codec takes values of this dtype at all."""
        return True

    def matching(self, select: Callable[[Values], Values]) -> Self:
        """The codec for `select(values)`; another one only where it carries values of its own."""
        return self

    @abstractmethod
    def encode(self, values: Values, dtype: str) -> bytes | None:
        """Code at least one value; None when these values are not of the kind that the codec is for."""

    @abstractmethod
    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        """Fill `out`, whose length is known. `data` is not to be trusted: raises ElfError when it cannot be decoded.

        Bytes that decode to other values than were coded are found by the caller's checksum, so that the only duty here
        is to stay within `data` and `out`, and not to ask for more memory than a small multiple of `out`.
        """

    def encode_with_result(self, values: Values, dtype: str) -> tuple[bytes, Values] | None:
        """`encode`, and the values that `decode` will give: the same ones unless the codec is lossy."""
        data = self.encode(values, dtype)
        return None if data is None else (data, values)


def bits_of(values: Values) -> NDArray[np.unsignedinteger[Any]]:
    """The same memory as unsigned integers of the values' width (complex values as two)."""
    width = values.dtype.itemsize if values.dtype.kind != "c" else values.dtype.itemsize // 2
    return values.view(f"<u{width}") if width > 1 else values.view(np.uint8)
