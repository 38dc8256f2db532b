"""Elf and Elves: error-bounded and lossless compression of tensors and model files."""

from elf.array import decode, encode
from elf.bound import Bound
from elf.errors import ElfError

__all__ = ["Bound", "ElfError", "decode", "encode"]
