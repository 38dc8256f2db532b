"""The one interface of all model file formats: an open file is a list of tensors over byte ranges."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from elf.errors import ElfError
from elf.tensor import Tensor

Decoder = Callable[[Tensor], NDArray[np.uint8]]


class ModelFile:
    """An open model file: its format, its parts (the file itself first, then external data) and its tensors.

    Nothing is copied: `bytes(tensor)` of a plain tensor is a read-only view of the mapped file, valid until `close`.
    """

    def __init__(self, path: Path, format: str, tensors: list[Tensor], *, externals: list[Path] | None = None,
                 decode: Decoder | None = None) -> None:
        self.path = path
        self.format = format
        self.tensors = tensors
        self.parts = [path, *(externals or [])]
        self._decode = decode
        self._maps = [map_file(part) for part in self.parts]

    def part(self, index: int) -> NDArray[np.uint8]:
        """All bytes of part `index`: uint8, shape (size,), read-only, mapped."""
        return self._maps[index]

    def bytes(self, tensor: Tensor) -> NDArray[np.uint8]:
        """The tensor's bytes, little-endian in C order: uint8, shape (tensor.nbytes,). Raises ElfError if it cannot."""
        if tensor.offset is not None:
            return self._maps[tensor.part][tensor.offset : tensor.offset + tensor.nbytes]
        if self._decode is None:
            raise ElfError(f"{self.path}: tensor {tensor.name!r} has no plain bytes and this format no decoder")
        return self._decode(tensor)

    def close(self) -> None:
        """Forget the maps; views handed out keep theirs alive."""
        self._maps = []

    def __enter__(self) -> ModelFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def map_file(path: Path) -> NDArray[np.uint8]:
    """Map a file read-only as uint8, shape (size,); an empty file is an empty array. Raises ElfError if unreadable."""
    try:
        with path.open("rb") as stream:
            if path.stat().st_size == 0:
                return np.empty(0, np.uint8)
            return np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except OSError as error:
        raise ElfError(f"{path}: cannot be read: {error.strerror}") from error
