"""What is coded: whole files, layers, chunks, and what of a file is in no layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.contents.chunking import plain_tensors
from elf.codecs.base import Values
from elf.formats.base import ModelFile
from elf.tensor import DTYPES, Tensor

PIECE_BYTES = 1 << 27
"""Files and layers are coded in pieces of at most so many bytes, so that memory is bounded; windows are far smaller."""
RELEASE_BYTES = 1 << 24
"""The mapped pages are given back after a unit of so many bytes."""


class Piece(NamedTuple):
    """Values to be coded as one, the dtype that codecs are told, the dtype of the tensor they are from."""

    values: Values
    coded: str
    dtype: str
    bytes_in: int
    """Bytes of the file that they take: fewer or more than those of the values where a format packs them."""


def files(model: ModelFile) -> Iterator[Piece]:
    """The parts of a file, as bytes."""
    for index in range(len(model.parts)):
        yield from _pieces(model.part(index))


def chunks(model: ModelFile, size: int) -> Iterator[Piece]:
    """Chunks of a fixed size from the start of each part on, as bytes."""
    for index in range(len(model.parts)):
        yield from _pieces(model.part(index), size)


def _pieces(data: NDArray[np.uint8], size: int = PIECE_BYTES) -> Iterator[Piece]:
    for start in range(0, data.size, size):
        piece = data[start : start + size]
        yield Piece(piece, "u8", "", piece.size)


def layers(model: ModelFile) -> Iterator[Piece]:
    """Every tensor that has bytes of its own."""
    for tensor in model.tensors:
        if tensor.alias_of is None and tensor.nbytes:
            yield from _layer(model, tensor)
            if tensor.nbytes >= RELEASE_BYTES:
                model.release()


def _layer(model: ModelFile, tensor: Tensor) -> Iterator[Piece]:
    values, coded = values_of(model, tensor)
    step = max(1, PIECE_BYTES // values.itemsize)
    for start in range(0, values.size, step):
        stop = min(start + step, values.size)
        taken = tensor.stored * stop // values.size - tensor.stored * start // values.size
        yield Piece(values[start:stop], coded, tensor.dtype, taken)


def values_of(model: ModelFile, tensor: Tensor) -> tuple[Values, str]:
    """The tensor's elements, 1-D and aligned, and the dtype they are coded as: u8 where NumPy has no type."""
    numpy = DTYPES[tensor.dtype].numpy
    data = model.bytes(tensor)
    values: NDArray[Any] = data if numpy is None else np.require(data.view(numpy), requirements="A")
    return values, tensor.dtype if numpy is not None else "u8"


def rest(model: ModelFile) -> Piece | None:
    """What of the file is in no layer, joined. Encoded tensors are left in it: where they lie is not known.

    `bytes_in` counts the file's bytes that belong to no tensor, so that layers and rest sum to the whole.
    """
    gaps = [gap for index in range(len(model.parts)) for gap in _gaps(model, index)]
    own = sum(model.part(index).size for index in range(len(model.parts)))
    left = own - sum(tensor.stored for tensor in model.tensors)
    if not left:
        return None
    joined = np.concatenate(gaps) if gaps else np.empty(0, np.uint8)
    return Piece(joined, "u8", "", left) if joined.size else None


def _gaps(model: ModelFile, index: int) -> Iterator[NDArray[np.uint8]]:
    data, covered = model.part(index), 0
    plain = plain_tensors([model.as_stored(tensor) for tensor in model.tensors], index)
    for start, size in sorted((tensor.offset or 0, tensor.nbytes) for tensor in plain):
        if start > covered:
            yield data[covered:start]
        covered = max(covered, start + size)
    if covered < data.size:
        yield data[covered:]
