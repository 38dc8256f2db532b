"""GGUF, versions 2 and 3 (docs/gguf.md of github.com/ggml-org/ggml)."""

from __future__ import annotations

import math
import struct
from pathlib import Path

from elf.errors import ElfError
from elf.formats.base import Bytes, ModelFile
from elf.formats.found import MAX_TENSORS, Found, quoted
from elf.tensor import DTYPES

MAGIC = b"GGUF"
MAX_DEPTH = 8  # of arrays within arrays
MAX_RANK = 4

_DTYPES = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 6: "q5_0", 7: "q5_1", 8: "q8_0", 10: "q2_k", 11: "q3_k", 12: "q4_k",
    13: "q5_k", 14: "q6_k", 15: "q8_k", 16: "iq2_xxs", 17: "iq2_xs", 18: "iq3_xxs", 19: "iq1_s", 20: "iq4_nl",
    21: "iq3_s", 22: "iq2_s", 23: "iq4_xs", 24: "i8", 25: "i16", 26: "i32", 27: "i64", 28: "f64", 29: "iq1_m",
    30: "bf16", 34: "tq1_0", 35: "tq2_0", 39: "mxfp4", 40: "nvfp4", 41: "q1_0", 42: "q2_0",
}  # fmt: skip
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_UINT32, _STRING, _ARRAY = 4, 8, 9


def matches(path: Path, data: Bytes) -> bool:
    """By the magic number."""
    del path
    head = data[:4].tobytes()
    return len(head) > 1 and MAGIC.startswith(head)


def read(path: Path, data: Bytes) -> ModelFile:
    """Open a GGUF file. Shapes come in C order: the dimension that GGUF names first, which varies fastest, is last."""
    cursor = _Cursor(data.data, 4)
    version = cursor.number("<I")
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        raise ElfError("is big-endian, which is not read" if swapped in (2, 3) else f"version {version} is not 2 or 3")
    n_tensors, n_keys = cursor.number("<Q"), cursor.number("<Q")
    alignment = 32
    for _ in range(n_keys):
        key, kind = cursor.text(), cursor.number("<I")
        if key == "general.alignment" and kind == _UINT32:
            alignment = cursor.number("<I")
        else:
            cursor.skip_value(kind, 0)
    if alignment == 0 or alignment % 8:
        raise ElfError(f"the alignment {alignment} is no multiple of 8")
    if n_tensors > MAX_TENSORS:
        raise ElfError(f"claims {n_tensors} tensors, more than {MAX_TENSORS}")
    found = [cursor.tensor() for _ in range(n_tensors)]
    base = -(-cursor.at // alignment) * alignment
    for item in found:
        item.start = base + (item.start or 0)
    if len({item.name for item in found}) < n_tensors:
        raise ElfError("two tensors have the same name")
    return ModelFile(path, data, "gguf", found)


class _Cursor:
    def __init__(self, data: memoryview, at: int) -> None:
        self.data = data
        self.at = at

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise ElfError(f"truncated: byte {self.at} claims {size} more of {len(self.data) - self.at}")
        self.at += size

    def number(self, code: str) -> int:
        at = self.at
        self.skip(struct.calcsize(code))
        return int(struct.unpack_from(code, self.data, at)[0])

    def text(self) -> str:
        size = self.number("<Q")
        at = self.at
        self.skip(size)
        return bytes(self.data[at : self.at]).decode("utf-8", "backslashreplace")

    def skip_value(self, kind: int, depth: int) -> None:
        if kind == _STRING:
            self.skip(self.number("<Q"))
        elif kind == _ARRAY and depth < MAX_DEPTH:
            inner, count = self.number("<I"), self.number("<Q")
            if inner in _WIDTHS:
                self.skip(count * _WIDTHS[inner])
                return
            for _ in range(count):
                self.skip_value(inner, depth + 1)
        elif kind in _WIDTHS:
            self.skip(_WIDTHS[kind])
        else:
            raise ElfError(f"the metadata before byte {self.at} has the unknown or too deep type {kind}")

    def tensor(self) -> Found:
        name, rank = self.text(), self.number("<I")
        if rank > MAX_RANK:
            raise ElfError(f"tensor {quoted(name)} has {rank} dimensions, more than {MAX_RANK}")
        shape = tuple(reversed([self.number("<Q") for _ in range(rank)]))
        code, offset = self.number("<I"), self.number("<Q")
        if code not in _DTYPES:
            raise ElfError(f"tensor {quoted(name)} has the unknown type {code}")
        dtype = DTYPES[_DTYPES[code]]
        if math.prod(shape[-1:]) % dtype.block:
            raise ElfError(f"tensor {quoted(name)} has rows that are no whole blocks of {dtype.block}")
        return Found(name, dtype.name, shape, offset, dtype.nbytes(shape))
