"""The one interface of all model file formats: an open file is a list of tensors over byte ranges."""

from __future__ import annotations

import mmap
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from elf.errors import ElfError
from elf.formats.found import Found, arrange, quoted
from elf.tensor import Tensor

Bytes = NDArray[np.uint8]

# What the standard library and NumPy raise over damaged input; AttributeError and AssertionError would be our own bugs.
DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,  # RecursionError is one
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


READER_VERSION = "1"
"""Raised when the same file leads to other tensors: whatever was measured with an older reader is measured again."""


class ModelFile:
    """An open model file: its format, its parts (the file itself first, then external data) and its tensors.

    Nothing is copied: `bytes(tensor)` of a plain tensor is a read-only view of the mapped file, valid until `close`.
    `tensors` come by part and offset, then name; names are unique; the `stored` bytes of tensors that are no alias are
    disjoint. Raises ElfError when the tensors found do not fit the file.
    """

    def __init__(
        self, path: Path, data: Bytes, format: str, found: Sequence[Found], *, externals: Sequence[Path] = ()
    ) -> None:
        self.path = path
        self.format = format
        self.parts = [path, *externals]
        with one_error(path, format):
            self._maps = [data, *map(map_file, externals)]
            arranged = arrange(found, [part.size for part in self._maps])
        self.tensors = [tensor for tensor, _ in arranged]
        self._decoders = {item.name: item.decode for _, item in arranged if item.decode is not None}
        self._axes = {item.name: (item.start, item.axes) for _, item in arranged if item.decode and item.axes}

    def part(self, index: int) -> Bytes:
        """All bytes of part `index`: uint8, shape (size,), read-only, mapped. Raises ElfError if closed."""
        if not self._maps:
            raise ElfError(f"{self.path}: is closed")
        return self._maps[index]

    def bytes(self, tensor: Tensor) -> Bytes:
        """The tensor's bytes, little-endian in C order: uint8, shape (tensor.nbytes,). Raises ElfError if it cannot."""
        part = self.part(tensor.part)
        if tensor.offset is not None:
            return part[tensor.offset : tensor.offset + tensor.nbytes]
        with one_error(self.path, self.format):
            data = self._decoders[tensor.name]()
            if data.size != tensor.nbytes:
                raise ElfError(f"tensor {quoted(tensor.name)} decodes to {data.size} bytes, not {tensor.nbytes}")
        return data

    def as_stored(self, tensor: Tensor) -> Tensor:
        """The tensor as it lies in the file, for those who keep or replace its bytes rather than use its values.

        One that is stored plain but for the order of its axes (a transposed view, an array in Fortran order) comes back
        with that order's `shape`, an `offset` and `axes`: `array.reshape(stored.shape).transpose(argsort(stored.axes))`
        is the tensor. Any other is returned as it is.
        """
        start, axes = self._axes.get(tensor.name, (None, None))
        if start is None or axes is None:
            return tensor
        return replace(tensor, shape=tuple(tensor.shape[axis] for axis in axes), offset=start, axes=axes)

    def release(self) -> None:
        """Give the memory of the mapped pages back; they are read again when touched. Views stay valid."""
        for part in self._maps:
            mapping = getattr(part.base, "obj", None)
            if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
                mapping.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Forget the maps and decoders; views handed out keep their map alive."""
        self._maps = []
        self._decoders = {}
        self._axes = {}

    def __enter__(self) -> ModelFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def one_error(path: Path, format: str) -> Iterator[None]:
    """Whatever damaged input provokes becomes one ElfError of one line that names the file and its format."""
    try:
        yield
    except ElfError as error:
        text = str(error)
        raise ElfError(text if text.startswith(str(path)) else f"{path}: {format}: {text}") from error
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ElfError(f"{path}: {format}: damaged or not what it claims: {reason}") from error


def map_file(path: Path) -> Bytes:
    """Map a file read-only as uint8, shape (size,); an empty file is an empty array. Raises ElfError if unreadable."""
    try:
        status = path.stat()  # before opening: a pipe would wait for ever
        if not stat.S_ISREG(status.st_mode):
            raise ElfError(f"{path}: is not a regular file")
        if status.st_size == 0:
            return np.empty(0, np.uint8)
        with path.open("rb") as stream:
            return np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except (OSError, ValueError) as error:
        raise ElfError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
