"""Elf and Elves: error-bounded and lossless compression of tensors and model files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from elf.errors import ElfError

if TYPE_CHECKING:
    from elf import paper
    from elf.api import compress, decompress, load_file, open
    from elf.array import decode, encode
    from elf.bound import Bound
    from elf.container import ElvesFile

__all__ = ["Bound", "ElfError", "ElvesFile", "compress", "decode", "decompress", "encode", "load_file", "open", "paper"]

# Imported when first used: a command that only prints its help must not load codecs.
_HOMES = {
    "Bound": "bound", "ElvesFile": "container", "compress": "api", "decode": "array", "decompress": "api",
    "encode": "array", "load_file": "api", "open": "api",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "paper":
        return import_module("elf.paper")
    if name not in _HOMES:
        raise AttributeError(f"module 'elf' has no attribute {name!r}")
    return getattr(import_module(f"elf.{_HOMES[name]}"), name)
