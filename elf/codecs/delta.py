"""Delta: a tensor against a relative of the same dtype and length, without loss.

The relative is not in the coded bytes. Whoever codes and decodes hands it over (`against`); with another one, or with
none, decoding ends in an error. XOR and difference of bit patterns, then the best of the codecs in `nested`: a split by
float field of the XOR is what ZipLLM does with fine-tuned models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from elf.codecs.base import Codec, Values, bits_of
from elf.codecs.nested import decode_best, encode_best
from elf.codecs.packed import alternate, unalternate
from elf.codecs.planes import Codes
from elf.errors import ElfError


@dataclass(frozen=True)
class Delta(Codec):
    """What the two ways share."""

    relative: Values | None = field(default=None, repr=False, compare=False)

    def against(self, relative: Values) -> Self:
        """This codec with a relative: 1-D, of the dtype and length of what is to be coded."""
        return replace(self, relative=relative)

    def matching(self, select: Callable[[Values], Values]) -> Self:
        return self if self.relative is None else self.against(select(self.relative))

    def bits(self, values: Values) -> Codes:
        """The relative's bit patterns. Raises ElfError when there is none that fits `values`."""
        if self.relative is None:
            raise ElfError(f"{self.name}: this tensor is coded against a relative, which must be handed over")
        if self.relative.dtype != values.dtype or self.relative.shape != values.shape:
            raise ElfError(f"{self.name}: the relative has another dtype or length than the tensor")
        return bits_of(self.relative)


@dataclass(frozen=True)
class Xor(Delta):
    """The bits that differ; coded as values of the tensor's own dtype, so that floats are split by field."""

    name = "xor"

    def encode(self, values: Values, dtype: str) -> bytes | None:
        return encode_best((bits_of(values) ^ self.bits(values)).view(values.dtype), dtype)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        relative = self.bits(out)
        decode_best(data, out, dtype)
        bits = bits_of(out)
        bits ^= relative


@dataclass(frozen=True)
class Difference(Delta):
    """The difference of bit patterns as integers, which for floats counts the representable values between the two."""

    name = "difference"

    def encode(self, values: Values, dtype: str) -> bytes | None:
        bits = alternate(bits_of(values) - self.bits(values))
        return encode_best(bits, f"u{8 * bits.itemsize}")

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        relative = self.bits(out)
        bits = bits_of(out)
        decode_best(data, bits, f"u{8 * bits.itemsize}")
        unalternate(bits)
        bits += relative
