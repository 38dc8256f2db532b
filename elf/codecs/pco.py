"""pcodec: the numerical codec of the `pcodec` package, the strongest lossless peer on floats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pcodec import ChunkConfig, standalone

from elf.codecs.base import Codec, Values
from elf.errors import ElfError
from elf.tensor import DTYPES


@dataclass(frozen=True)
class Pcodec(Codec):
    """One standalone pcodec file a block; bf16, which pcodec does not know, as unsigned integers."""

    name = "pcodec"
    slow = True
    level: int = 8

    def applies(self, dtype: str) -> bool:
        numpy = DTYPES[dtype].numpy
        return numpy is not None and numpy.kind in "iuf" and numpy.itemsize > 1

    def encode(self, values: Values, dtype: str) -> bytes:
        aligned = np.require(values, requirements="A")  # a mapped file's tensors may lie anywhere
        return bytes(standalone.simple_compress(aligned, ChunkConfig(compression_level=self.level)))

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        try:
            progress = standalone.simple_decompress_into(bytes(data), out)
        except (RuntimeError, TypeError) as error:
            raise ElfError(f"damaged data: {error}") from error
        if progress.n_processed != out.size or not progress.finished:
            raise ElfError(f"damaged data: pcodec gave {progress.n_processed} of {out.size} values")
