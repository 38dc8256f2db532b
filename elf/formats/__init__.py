"""Model files of every format, opened without executing anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from elf.errors import ElfError
from elf.formats import gguf, hdf5, numpy, onnx, pytorch, safetensors, tflite
from elf.formats.base import Bytes, ModelFile, map_file, one_error

__all__ = ["FORMATS", "ModelFile", "open_model"]


class Format(Protocol):
    """What a module of this package offers."""

    def matches(self, path: Path, data: Bytes) -> bool:
        """Whether the file is of this format, told from its content where that is possible."""

    def read(self, path: Path, data: Bytes) -> ModelFile:
        """Open it. Raises ElfError, or any of `base.DAMAGE`, when it is not what it claims."""


FORMATS: dict[str, Format] = {
    "gguf": gguf,
    "tflite": tflite,
    "pytorch": pytorch,
    "hdf5": hdf5,
    "numpy": numpy,
    "safetensors": safetensors,
    "onnx": onnx,
}
"""Every format, in the order in which a file is tried against them."""


def open_model(path: Path) -> ModelFile:
    """Open a model file of any format; one of an unknown format is "bytes" and has no tensors.

    Raises ElfError, with one line that names the file, if it is empty, unreadable, damaged or hostile.
    """
    data = map_file(path)
    if data.size == 0:
        raise ElfError(f"{path}: is empty")
    if data[:40].tobytes().startswith(b"version https://git-lfs.github.com"):
        raise ElfError(f"{path}: is a Git LFS pointer, not the file: run `git lfs pull`")
    for name, reader in FORMATS.items():
        with one_error(path, name):
            if reader.matches(path, data):
                return reader.read(path, data)
    return ModelFile(path, data, "bytes", [])
