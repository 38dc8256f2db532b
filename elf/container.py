"""Reading an Elves file: a lazy mapping from names to arrays, each read without the rest. FORMAT.md has the format."""

from __future__ import annotations

import json
import mmap
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.codecs.elf import Elf
from elf.coding import typed
from elf.errors import ElfError
from elf.formats import ModelFile, open_model
from elf.formats.base import Bytes, map_file
from elf.formats.found import quoted
from elf.index import INDEX, MAX_HEADER, VERSION, Index, Row
from elf.payload import EARNED, Payload, in_order
from elf.skeleton import Segment
from elf.tensor import DTYPES, Tensor

LARGEST_BLOCK = 1 << 26
"""Decoded bytes of a block at most, so that reading a part of a tensor never asks for much more than that part."""

WINDOW = 1 << 22
"""Bytes of a piece of a tensor: a multiple of every width."""

_EXPANSION = 200
"""Of the index, at most: JSON of real names shrinks to a tenth or a twentieth."""


class ElvesFile(Mapping[str, NDArray[Any]]):
    """An open Elves file. `file[name]` decodes one tensor; nothing else of the file is touched.

    Arrays have the tensor's shape and little-endian NumPy type; bf16 and fp8, which NumPy lacks, come as unsigned
    integers of their width (`dtype_of` tells), 4-bit and block-quantised tensors as their bytes, 1-D uint8.

    Opening raises ElfError when the file is no Elves file, is damaged, or was written by a newer version; reading a
    tensor raises it when that tensor is damaged, and KeyError when there is none of that name.
    """

    def __init__(self, path: str | Path, data: Bytes | None = None) -> None:
        self.path = Path(path)
        self._data = map_file(self.path) if data is None else data
        try:
            self.index, base = _read_index(self._data)
        except ElfError as error:
            raise self._error(error) from error
        self._starts = list(accumulate([*self.index.payloads, *self.index.skeleton], initial=base))
        self._rows = {row.tensor.name: row for row in self.index.rows}
        self._segments = self.index.layout.segments()
        self._payloads: dict[int, Payload] = {}
        self._piece: tuple[int, Bytes] | None = None
        self._restored: ModelFile | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def format(self) -> str:
        """The format of the original file."""
        return self.index.format

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors of the original file, in its order."""
        return [row.tensor for row in self.index.rows]

    @property
    def nbytes(self) -> int:
        """Size of the Elves file in bytes."""
        return int(self._data.size)

    def __getitem__(self, name: str) -> NDArray[Any]:
        tensor = self._rows[name].tensor
        values = typed(self.bytes(tensor), tensor.dtype)
        return values if DTYPES[tensor.dtype].numpy is None else values.reshape(tensor.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def dtype_of(self, name: str) -> str:
        """The tensor's dtype by its name in `elf.tensor.DTYPES`. Raises KeyError when there is no such tensor."""
        return self._rows[name].tensor.dtype

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The tensor's shape, without decoding it. Raises KeyError when there is no such tensor."""
        return self._rows[name].tensor.shape

    def bound_of(self, name: str) -> float | None:
        """How far any value of the tensor may be from the original's; None when every bit is kept.

        Raises KeyError when there is no such tensor, and ElfError when what says so is damaged.
        """
        bounds = []
        for segment, _, _ in self._over(self._rows[name].tensor):
            if segment.number is not None:
                codec = self.payload(self.index.ranges[segment.number][1]).head.codec
                bounds += [codec.bound] if isinstance(codec, Elf) else []
        return max(bounds, default=None)

    def bytes(self, tensor: Tensor, *, threads: int = 1) -> Bytes:
        """The tensor's bytes, little-endian in C order: uint8, shape (tensor.nbytes,). Raises ElfError when damaged."""
        row = self._rows[tensor.name]
        tensor = row.tensor
        try:
            if row.payload is not None:
                stored = self.payload(row).decode(threads=threads).view(np.uint8)
            elif tensor.offset is not None:
                stored = self._read(tensor)
            else:
                return self._decoded(tensor)
        except ElfError as error:
            raise self._error(error, tensor.name) from error
        return stored if tensor.axes is None else _reordered(stored, tensor, tensor.axes)

    def pieces(self, tensor: Tensor, *, threads: int = 1) -> Iterator[Bytes]:
        """`bytes` in pieces of WINDOW bytes and less; of a tensor that is stored plain, no more is ever in memory."""
        row = self._rows[tensor.name]
        tensor = row.tensor
        spans = [(at, min(at + WINDOW, tensor.nbytes)) for at in range(0, tensor.nbytes, WINDOW)]
        if row.payload is None or tensor.axes is not None:
            whole = self.bytes(tensor, threads=threads)
            yield from (whole[start:stop] for start, stop in spans)
            return
        try:
            payload = self.payload(row)
            yield from in_order(lambda span: decode_bytes(payload, *span), spans, threads)
        except ElfError as error:
            raise self._error(error, tensor.name) from error

    def payload(self, row: Row) -> Payload:
        """The coded bytes of a tensor that has any. Raises ElfError when their head or index is damaged."""
        assert row.payload is not None
        try:
            payload = self._payload(row.payload)
            if payload.head.dtype != row.tensor.dtype or payload.head.nbytes != row.tensor.nbytes:
                raise ElfError(f"damaged tensor: it holds {payload.head.nbytes} bytes of {payload.head.dtype}")
        except ElfError as error:
            raise self._error(error, row.tensor.name) from error
        return payload

    def skeleton(self, number: int) -> Bytes:
        """Piece `number` of the skeleton: uint8. Raises ElfError when it is damaged."""
        if self._piece is None or self._piece[0] != number:
            try:
                self._piece = number, self._decode_skeleton(number)
            except ElfError as error:
                raise ElfError(f"{self.path}: piece {number} of the skeleton: {error}") from error
        return self._piece[1]

    def release(self) -> None:
        """Give the memory of the mapped file back; it is read again when touched."""
        mapping = getattr(self._data.base, "obj", None)
        if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            mapping.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Forget the mapped file; arrays handed out are their own."""
        self._data = np.empty(0, np.uint8)
        self._payloads = {}
        if self._restored is not None and self._folder is not None:
            self._restored.close()
            self._folder.cleanup()
        self._restored = self._folder = None

    def __enter__(self) -> ElvesFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode_skeleton(self, number: int) -> Bytes:
        payload = self._payload(len(self.index.payloads) + number)
        size = min(self.index.piece, self.index.layout.skeleton_bytes - number * self.index.piece)
        if payload.head.dtype != "u8" or payload.head.nbytes != size:
            raise ElfError(f"damaged: it holds {payload.head.nbytes} bytes instead of {size}")
        return payload.decode()

    def _payload(self, number: int) -> Payload:
        if number not in self._payloads:
            payload = Payload(self._data[self._starts[number] : self._starts[number + 1]].data)
            if payload.head.block * payload.head.numpy.itemsize > LARGEST_BLOCK:
                raise ElfError(f"damaged tensor: its blocks are larger than {LARGEST_BLOCK} bytes")
            self._payloads[number] = payload
        return self._payloads[number]

    def _read(self, tensor: Tensor) -> Bytes:
        """Bytes of a tensor that has none of its own, from the skeleton and from other tensors'."""
        if tensor.nbytes > EARNED * self._data.size:
            raise ElfError(f"damaged index: {tensor.nbytes} bytes in a file of {self._data.size}")
        found = [self._read_segment(*over) for over in self._over(tensor)]
        return np.concatenate(found) if found else np.empty(0, np.uint8)

    def _over(self, tensor: Tensor) -> Iterator[tuple[Segment, int, int]]:
        """The segments that a plain tensor's bytes lie in, and from where to where."""
        if tensor.offset is None:
            return
        start, stop = tensor.offset, tensor.offset + tensor.nbytes
        first = bisect_right(self._segments, (tensor.part, start), key=lambda segment: (segment.part, segment.stop))
        for segment in self._segments[first:]:
            if (segment.part, segment.start) >= (tensor.part, stop):
                return
            yield segment, max(start, segment.start), min(stop, segment.stop)

    def _read_segment(self, segment: Segment, start: int, stop: int) -> Bytes:
        if segment.number is not None:
            payload = self.payload(self.index.ranges[segment.number][1])
            return decode_bytes(payload, start - segment.start, stop - segment.start)
        at, end = segment.at + start - segment.start, segment.at + stop - segment.start
        piece = self.index.piece
        found = []
        for number in range(at // piece, -(-end // piece)):
            base = number * piece
            found.append(self.skeleton(number)[max(at - base, 0) : end - base])
        return np.concatenate(found)

    def _decoded(self, tensor: Tensor) -> Bytes:
        """A tensor that is not plain in the original: the original is restored, in a temporary folder, to read it."""
        if self._restored is None:
            from elf.restore import restore

            self._folder = tempfile.TemporaryDirectory(prefix="elves-")
            restore(self, Path(self._folder.name) / self.index.names[0])
            self._restored = open_model(Path(self._folder.name) / self.index.names[0])
        original = next((item for item in self._restored.tensors if item.name == tensor.name), None)
        if original is None or (original.dtype, original.shape) != (tensor.dtype, tensor.shape):
            raise ElfError("damaged index: the original has no such tensor")
        return self._restored.bytes(original)

    def _error(self, error: ElfError, name: str | None = None) -> ElfError:
        if str(error).startswith(f"{self.path}: "):
            return error
        where = f"{self.path}: " if name is None else f"{self.path}: tensor {quoted(name)}: "
        return ElfError(f"{where}{error}")


def decode_bytes(payload: Payload, start: int, stop: int) -> Bytes:
    """Decoded bytes `start` to `stop` of a payload: uint8. Only the blocks over them are decoded."""
    width = payload.head.numpy.itemsize
    block = payload.head.block * width
    found = []
    for number in range(start // block, -(-stop // block)):
        first, last = payload.head.span(number)
        out = np.empty(last - first, payload.head.numpy)
        payload.decode_block(number, out)
        found.append(out.view(np.uint8)[max(start - number * block, 0) : stop - number * block])
    return np.concatenate(found) if len(found) != 1 else found[0]


def is_elves(data: Bytes) -> bool:
    """Whether a file says that it is an Elves file, whatever its version."""
    try:
        return bool(_version(_header(data)[0]))
    except ElfError:
        return False


def _header(data: Bytes) -> tuple[Any, bytes]:
    """The safetensors header, parsed and as it stands."""
    length = int.from_bytes(data[:8].tobytes(), "little")
    if data.size < 8 or length > min(MAX_HEADER, data.size - 8):
        raise ElfError("is no Elves file, or truncated: it does not start with a safetensors header")
    raw = data[8 : 8 + length].tobytes()
    try:
        return json.loads(raw), raw
    except (ValueError, RecursionError) as error:
        raise ElfError(f"is no Elves file, or damaged: the header is not JSON: {error}") from error


def _version(header: Any) -> str:
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or metadata.get("format") != "elves":
        raise ElfError("is no Elves file: `elves compress` makes one of a model file")
    return str(metadata.get("version"))


def _read_index(data: Bytes) -> tuple[Index, int]:
    """The index, and where the first payload starts. Everything but the payloads is then known to be undamaged."""
    header, raw = _header(data)
    if (version := _version(header)) != str(VERSION):
        raise ElfError(f"has version {version[:20]!r} of the Elves format; this library reads version {VERSION}")
    base, length = 8 + len(raw), 0
    try:
        start, stop = header[INDEX]["data_offsets"]
        length = stop - start
        coded = data[base + start : base + stop]
    except (LookupError, TypeError, ValueError) as error:
        raise ElfError("damaged header: it does not say where the index is") from error
    if type(start) is not int or start < 0 or length != coded.size or base + stop != data.size:
        raise ElfError("truncated, or damaged: the index does not lie at the end")
    payload = Payload(coded.data)
    if payload.head.dtype != "u8" or payload.head.nbytes > _EXPANSION * length:
        raise ElfError("damaged index: it claims to be larger than it can be")
    index = Index.from_bytes(payload.decode().tobytes())
    if raw != index.header_text(length):
        raise ElfError("damaged header: it is not the one that follows from the index")
    if sum(index.payloads) + sum(index.skeleton) != start:
        raise ElfError("damaged index: lengths do not belong together")
    return index, base


def _reordered(stored: Bytes, tensor: Tensor, axes: tuple[int, ...]) -> Bytes:
    """Bytes in the order of the tensor's own axes, from those in the order `axes`."""
    values = typed(stored, tensor.dtype).reshape([tensor.shape[axis] for axis in axes])
    return np.ascontiguousarray(values.transpose(np.argsort(axes))).reshape(-1).view(np.uint8)
