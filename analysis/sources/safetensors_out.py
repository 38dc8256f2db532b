"""Write a safetensors file, tensor by tensor: its bytes depend on the tensors and the metadata alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from analysis.sources.errors import SourceError

CODES = {
    "bool": "BOOL", "u8": "U8", "i8": "I8", "u16": "U16", "i16": "I16", "u32": "U32", "i32": "I32", "u64": "U64",
    "i64": "I64", "f16": "F16", "bf16": "BF16", "f32": "F32", "f64": "F64", "c64": "C64",
    "f8_e4m3": "F8_E4M3", "f8_e4m3fnuz": "F8_E4M3FNUZ", "f8_e5m2": "F8_E5M2", "f8_e5m2fnuz": "F8_E5M2FNUZ",
    "f8_e8m0": "F8_E8M0",
}  # fmt: skip
"""Element types by name that the format can hold and that fall on whole bytes."""


class Content(Protocol):
    """The bytes of a tensor, in pieces, made when they are written."""

    def __call__(self) -> Iterable[bytes]:
        """The pieces in order."""


@dataclass(frozen=True)
class Piece:
    """One tensor to write: `nbytes` little-endian bytes in C order."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    content: Content


def write_safetensors(path: Path, pieces: Sequence[Piece], metadata: dict[str, str]) -> tuple[int, str]:
    """Write a new file; returns its bytes and its sha256.

    The widest elements come first, so that all are aligned. Raises SourceError for a type that the format cannot hold.
    """
    ordered = sorted(pieces, key=lambda piece: (-_width(piece), piece.name))
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as stream:
        for block in _blocks(ordered, metadata):
            digest.update(block)
            size += stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    return size, digest.hexdigest()


def _width(piece: Piece) -> int:
    return piece.nbytes // max(1, _count(piece.shape))


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _blocks(ordered: Sequence[Piece], metadata: dict[str, str]) -> Iterable[bytes]:
    header = _header(ordered, metadata)
    yield len(header).to_bytes(8, "little")
    yield header
    for piece in ordered:
        yield from piece.content()


def _header(ordered: Sequence[Piece], metadata: dict[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": metadata}
    start = 0
    for piece in ordered:
        if piece.dtype not in CODES:
            raise SourceError("NotWritable", f"tensor {piece.name!r}: safetensors has no type for {piece.dtype}")
        place = [start, start := start + piece.nbytes]
        entries[piece.name] = {"dtype": CODES[piece.dtype], "shape": list(piece.shape), "data_offsets": place}
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 8)
