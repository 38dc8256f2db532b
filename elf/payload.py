"""The coded bytes of one tensor: self-describing, in blocks that stand alone, each with a checksum of its values.

    magic    b"elf" and the payload version, 1
    head     codec, its version and parameters; dtype and shape; dtype and number of coded elements; elements a block
    blocks   the codec's bytes of each block, one after another
    index    for each block its length (u32) and the xxh3-64 of its decoded bytes (u64), little-endian
    tail     xxh3-64 of everything but the blocks (u64, little-endian)

Strings and lists stand behind their length; numbers are varints, parameters zigzag varints in the order of the codec's
fields. The index is at the end so that a writer needs no second pass, and found from there: its size follows from the
head. Types whose elements do not fall on bytes are coded as bytes (u8). Equal tensors, codecs and block sizes give
equal bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any, TypeVar

import numpy as np
import xxhash
from numpy.typing import NDArray

from elf.codecs import CODECS
from elf.codecs.base import Codec, Values
from elf.codecs.delta import Delta
from elf.codecs.varint import Reader, prefixed, unzigzag, varint, zigzag
from elf.errors import ElfError
from elf.tensor import DTYPES

VERSION = 1
MAGIC = b"elf"
BLOCK_BYTES = 1 << 20
"""Decoded bytes of a block unless asked otherwise: enough for the entropy coder, not too much for a core's cache."""

LARGEST_BLOCK = (1 << 32) - 1
EARNED = 1 << 17
"""A payload may decode to this many times its own length: constant blocks of `BLOCK_BYTES` stay below it."""

_LONGEST = 64
_ENTRY = np.dtype([("length", "<u4"), ("xxh3_64", "<u8")])

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Head:
    """What a payload says about itself before anything is decoded."""

    codec: Codec
    dtype: str
    shape: tuple[int, ...]
    coded: str
    """The dtype that the codec was given: `dtype` itself, or u8 where that has no NumPy type."""
    count: int
    """The number of elements of dtype `coded`."""
    block: int
    """Elements a block; the last one may have fewer."""

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy type of the coded elements."""
        return _numpy(self.coded)

    @property
    def nbytes(self) -> int:
        """Decoded bytes."""
        return self.count * self.numpy.itemsize

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-self.count // self.block)

    def span(self, index: int) -> tuple[int, int]:
        """The first element of block `index` and the first after it."""
        return index * self.block, min((index + 1) * self.block, self.count)

    @cached_property
    def bytes(self) -> bytes:
        """Magic and head as they stand in the payload."""
        params = [zigzag(value) for value in self.codec.params.values()]
        numbers = (*params, len(self.shape), *self.shape)
        return b"".join([
            MAGIC, bytes([VERSION]), prefixed(self.codec.name.encode()), varint(self.codec.version),
            *map(varint, (len(params), *numbers)),
            prefixed(self.dtype.encode()), prefixed(self.coded.encode()), varint(self.count), varint(self.block),
        ])  # fmt: skip


def encode(
    values: Values,
    dtype: str,
    shape: tuple[int, ...],
    codec: Codec,
    *,
    block_bytes: int = BLOCK_BYTES,
    threads: int = 1,
) -> bytes | None:
    """Code a tensor; None when the codec is not for these values.

    `values`: 1-D, contiguous, of the NumPy type of `dtype`, or uint8 where it has none. Raises ElfError when `dtype`,
    `shape` and `values` do not belong together or the codec does not take this dtype.
    """
    pieces = list(encode_pieces(values, dtype, shape, codec, block_bytes=block_bytes, threads=threads))
    return None if None in pieces else b"".join(piece for piece in pieces if piece is not None)


def encode_pieces(
    values: Values,
    dtype: str,
    shape: tuple[int, ...],
    codec: Codec,
    *,
    block_bytes: int = BLOCK_BYTES,
    threads: int = 1,
) -> Iterator[bytes | None]:
    """`encode` piece by piece, so that a large tensor is never in memory twice; a last None where that gives None."""
    head = _head(values, dtype, shape, codec, block_bytes)
    yield head.bytes
    index = np.empty(head.n_blocks, _ENTRY)

    def code(number: int) -> bytes | None:
        start, stop = head.span(number)
        coded = codec.matching(lambda whole: whole[start:stop]).encode_with_result(values[start:stop], head.coded)
        if coded is None:
            return None
        if len(coded[0]) > LARGEST_BLOCK:
            raise ElfError(f"a block of {len(coded[0])} coded bytes is too long: use smaller blocks")
        index[number] = len(coded[0]), _digest(coded[1])
        return coded[0]

    for piece in in_order(code, range(head.n_blocks), threads):
        yield piece
        if piece is None:
            return
    _refuse_unearned(head, len(head.bytes) + int(index["length"].sum()) + index.nbytes + 8)
    yield index.tobytes()
    yield _digest(head.bytes + index.tobytes()).to_bytes(8, "little")


def _head(values: Values, dtype: str, shape: tuple[int, ...], codec: Codec, block_bytes: int) -> Head:
    if dtype not in DTYPES:
        raise ElfError(f"unknown dtype {dtype!r}")
    coded = dtype if DTYPES[dtype].numpy is not None else "u8"
    if values.dtype != _numpy(coded) or values.nbytes != DTYPES[dtype].nbytes(shape):
        raise ElfError(f"{values.size} values of {values.dtype} are not a tensor of {dtype} with shape {shape}")
    if not codec.applies(coded):
        raise ElfError(f"codec {codec.name} with {codec.params} does not take {coded}")
    block = max(8, min(block_bytes, LARGEST_BLOCK) // values.itemsize)
    return Head(codec, dtype, shape, coded, values.size, block)


def in_order(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """`map`, with `threads` threads and at most twice as many results waiting."""
    if min(threads, len(items)) <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(_pool(threads).submit(function, item))
        if len(waiting) > 2 * threads:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept for the next tensor: a new thread would have to make its buffers anew."""
    return ThreadPoolExecutor(threads, "elf")


class Payload:
    """A payload opened for decoding: head and index are checked, and no block is touched yet.

    `data` is kept, not copied. Raises ElfError when head or index are damaged, or made by a newer version than this.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = memoryview(data)
        reader = Reader(self.data)
        self.head = _read_head(reader)
        size = self.head.n_blocks * _ENTRY.itemsize
        blocks = len(self.data) - reader.position - size - 8
        if blocks < 0:
            raise ElfError("damaged tensor: it is shorter than its index")
        raw = bytes(self.data[reader.position + blocks : -8])
        if _digest(bytes(self.data[: reader.position]) + raw).to_bytes(8, "little") != self.data[-8:]:
            raise ElfError("damaged tensor: head or index do not match their checksum")
        self.index: NDArray[np.void] = np.frombuffer(raw, _ENTRY)
        self.starts = reader.position + np.concatenate([[0], np.cumsum(self.index["length"], dtype=np.int64)])
        _refuse_unearned(self.head, len(self.data))
        if self.starts[-1] != reader.position + blocks:
            raise ElfError("damaged tensor: its blocks do not fill the place between head and index")

    def decode_block(self, number: int, out: Values, relative: Values | None = None) -> None:
        """Fill `out` with block `number`; `relative` is the whole one. Raises ElfError when the block is damaged."""
        start, stop = self.head.span(number)
        codec = self.head.codec
        if isinstance(codec, Delta) and relative is not None:
            codec = codec.against(relative[start:stop])
        codec.decode(self.data[self.starts[number] : self.starts[number + 1]], out, self.head.coded)
        if _digest(out) != self.index["xxh3_64"][number]:
            raise ElfError(f"damaged tensor: block {number} does not match its checksum")

    def decode(self, *, relative: Values | None = None, threads: int = 1, out: Values | None = None) -> Values:
        """All coded elements: 1-D, of the NumPy type of `head.coded`, in `out` when it is given.

        Raises ElfError when a block is damaged, or when the tensor is coded against another relative.
        """
        head = self.head
        delta = isinstance(head.codec, Delta)
        if delta and relative is not None and (relative.dtype != head.numpy or relative.shape != (head.count,)):
            raise ElfError("the relative has another dtype or length than the tensor")
        values = np.empty(head.count, head.numpy) if out is None else out

        def fill(number: int) -> None:
            start, stop = head.span(number)
            self.decode_block(number, values[start:stop], relative)

        for _ in in_order(fill, range(head.n_blocks), threads):
            pass
        return values


def _read_head(reader: Reader) -> Head:
    magic, version = reader.take(3), reader.take(1)[0]
    if magic != MAGIC:
        raise ElfError("this is not a tensor coded by elf")
    if version != VERSION:
        raise ElfError(f"this tensor was coded by payload version {version}; this library reads version {VERSION}")
    name, codec_version = _text(reader), reader.varint()
    params = _numbers(reader)
    shape = tuple(_numbers(reader))
    dtype, coded = _text(reader), _text(reader)
    count, block = reader.varint(), reader.varint()
    head = Head(_codec(name, codec_version, params), dtype, shape, coded, count, block)
    _check(head)
    return head


def _refuse_unearned(head: Head, size: int) -> None:
    if head.nbytes > EARNED * size:
        raise ElfError(f"{size} coded bytes for a tensor of {head.nbytes} bytes: use smaller blocks")


def _numbers(reader: Reader) -> list[int]:
    return [reader.varint() for _ in range(_short(reader.varint()))]


def _text(reader: Reader) -> str:
    return bytes(reader.take(_short(reader.varint()))).decode("ascii", "backslashreplace")


def _short(length: int) -> int:
    if length > _LONGEST:
        raise ElfError(f"damaged tensor: a list or name of {length} in its head")
    return length


def _codec(name: str, version: int, params: list[int]) -> Codec:
    kind = CODECS.get(name)
    if kind is None:
        raise ElfError(f"this tensor was coded by {name!r}, which this library does not have")
    if version != kind.version:
        raise ElfError(f"this tensor was coded by version {version} of {kind.name}; this library has {kind.version}")
    names = [field.name for field in fields(kind) if field.init and field.repr]
    if len(names) != len(params):
        raise ElfError(f"damaged tensor: {len(params)} parameters for codec {kind.name}")
    return kind(**{name: unzigzag(number) for name, number in zip(names, params, strict=True)})


def _check(head: Head) -> None:
    if head.coded not in DTYPES or DTYPES[head.coded].numpy is None or not head.codec.applies(head.coded):
        raise ElfError(f"damaged tensor: codec {head.codec.name} for dtype {head.coded!r}")
    if head.coded != head.dtype and (head.coded != "u8" or head.dtype not in DTYPES):
        raise ElfError(f"this tensor has dtype {head.dtype!r}, which this library does not know")
    if DTYPES[head.dtype].nbytes(head.shape) != head.nbytes or not 1 <= head.block <= LARGEST_BLOCK:
        raise ElfError(f"damaged tensor: {head.count} elements of {head.coded} for {head.dtype} {head.shape}")


def _numpy(dtype: str) -> np.dtype[Any]:
    numpy = DTYPES[dtype].numpy
    assert numpy is not None  # the callers have asked
    return numpy


def _digest(data: Values | bytes) -> int:
    return xxhash.xxh3_64_intdigest(data if isinstance(data, bytes) else data.view(np.uint8).data)
