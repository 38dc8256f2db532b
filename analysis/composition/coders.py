"""The codecs that composition compares, each on whole files, on layers and on chunks, and back again.

A unit that a codec makes longer is kept as it is; who adds up counts what says so (`ENTRY_BYTES` in
analysis/aggregate/composition.py).
"""

# ruff: noqa: ARG002, D102 - one interface, documented in Coder

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zstandard
from numpy.typing import NDArray

from elf.choose import choose
from elf.codecs import LOSSLESS
from elf.codecs.base import FLOATS, Values
from elf.codecs.nested import decode_best, encode_best
from elf.codecs.split import Split
from elf.codecs.varint import Bytes as Coded
from elf.codecs.zstd import Zstd
from elf.coding import passing, pieces, typed
from elf.container import ElvesFile
from elf.errors import ElfError
from elf.formats import ModelFile
from elf.formats.base import map_file
from elf.payload import Payload, encode_pieces
from elf.rule import Rule
from elf.tensor import DTYPES
from elf.verify import damages
from elf.writer import compress_file

BLOCK = 1 << 20
"""Bytes that LZ4 sees at a time."""

WRITTEN_AT_LEISURE = 1 << 20
"""Bytes of a skeleton that may also be tried with zstd 19, as an Elves file does."""

Bytes = NDArray[np.uint8]
Blocks = Iterable[Bytes]
Release = Callable[[], None]


class Coder(ABC):
    """One codec. What `..._back` gives is what was coded, byte for byte, when nothing is wrong."""

    name: ClassVar[str]

    def whole(self, model: ModelFile, blocks: Blocks, target: Path) -> bool:
        """Write the coded model file; False when the codec is for typed values only. `blocks` are all its bytes."""
        with target.open("wb") as stream:
            stream.writelines(self.rest(blocks))
        return True

    def whole_back(self, path: Path) -> Iterator[Coded] | None:
        """All bytes of the model file; None when they were compared with it already."""
        return self.rest_back(map_file(path).data)

    @abstractmethod
    def layer(self, data: Bytes, dtype: str, release: Release) -> Iterator[bytes]:
        """The coded layer in pieces; `release` gives the memory of what was read back."""

    @abstractmethod
    def layer_back(self, coded: memoryview) -> Iterator[Coded]:
        """Its bytes in pieces."""

    @abstractmethod
    def rest(self, blocks: Blocks) -> Iterator[bytes]:
        """Bytes that are in no layer, coded."""

    @abstractmethod
    def rest_back(self, coded: memoryview) -> Iterator[Coded]:
        """Those bytes."""

    @abstractmethod
    def chunk(self, data: Bytes, dtype: str, head: int) -> bytes:
        """A coded chunk: `head` bytes, then whole elements of `dtype`, then what is left of one."""

    @abstractmethod
    def chunk_back(self, coded: bytes, dtype: str, head: int, size: int) -> bytes:
        """Its `size` bytes."""


class OfBytes(Coder):
    """A codec that takes bytes as they come and does not ask for their type."""

    @abstractmethod
    def encode(self, blocks: Blocks) -> Iterator[bytes]:
        """Coded pieces."""

    @abstractmethod
    def decode(self, coded: memoryview) -> Iterator[Coded]:
        """The bytes in pieces."""

    def layer(self, data: Bytes, dtype: str, release: Release) -> Iterator[bytes]:
        return self.encode(_released(data, release))

    def layer_back(self, coded: memoryview) -> Iterator[Coded]:
        return self.decode(coded)

    def rest(self, blocks: Blocks) -> Iterator[bytes]:
        return self.encode(blocks)

    def rest_back(self, coded: memoryview) -> Iterator[Coded]:
        return self.decode(coded)

    def chunk(self, data: Bytes, dtype: str, head: int) -> bytes:
        return b"".join(self.encode([data]))

    def chunk_back(self, coded: bytes, dtype: str, head: int, size: int) -> bytes:
        return b"".join(self.decode(memoryview(coded)))


def _released(data: Bytes, release: Release, step: int = 1 << 23) -> Iterator[Bytes]:
    for start in range(0, data.size, step):
        yield data[start : start + step]
        if data.size > step:
            release()


class Stored(OfBytes):
    """Nothing done: what the others are compared with, the order of layers and rest of the file included."""

    name = "stored"

    def encode(self, blocks: Blocks) -> Iterator[bytes]:
        return (block.tobytes() for block in blocks)

    def decode(self, coded: memoryview) -> Iterator[Coded]:
        yield coded


class Zstd3(OfBytes):
    """One zstd frame of level 3, which has no dictionary and no checksum."""

    name = "zstd-3"

    def encode(self, blocks: Blocks) -> Iterator[bytes]:
        frame = zstandard.ZstdCompressor(level=3, write_content_size=False).compressobj()
        for block in blocks:
            yield frame.compress(block.data)
        yield frame.flush()

    def decode(self, coded: memoryview) -> Iterator[Coded]:
        yield from zstandard.ZstdDecompressor().read_to_iter(coded)


class Lz4Grouped(OfBytes):
    """What Hugging Face Xet does with a chunk: as it is, LZ4, or LZ4 over bytes grouped by four, the smallest.

    In blocks of at most 1 MiB, each behind five bytes: how it is coded, and its coded length.
    """

    name = "lz4-bg4"

    def encode(self, blocks: Blocks) -> Iterator[bytes]:
        for block in _in_blocks(blocks):
            grouped = np.concatenate([block[k::4] for k in range(4)])
            kept = [block.tobytes(), _lz4(block), _lz4(grouped)]
            kind = min(range(3), key=lambda kind: len(kept[kind]))
            yield bytes([kind]) + len(kept[kind]).to_bytes(4, "little") + kept[kind]

    def decode(self, coded: memoryview) -> Iterator[Coded]:
        from lz4.block import decompress

        while len(coded):
            kind, stop = coded[0], 5 + int.from_bytes(coded[1:5], "little")
            raw = bytes(coded[5:stop]) if kind == 0 else decompress(bytes(coded[5:stop]), uncompressed_size=BLOCK)
            yield _ungrouped(raw) if kind == 2 else raw
            coded = coded[stop:]


def _lz4(block: Bytes) -> bytes:
    from lz4.block import compress

    packed: bytes = compress(block.tobytes(), store_size=False)
    return packed


def _in_blocks(blocks: Blocks) -> Iterator[Bytes]:
    """The same bytes in blocks of BLOCK; the last one may be shorter."""
    held = np.empty(0, np.uint8)
    for block in blocks:
        data = np.concatenate([held, block]) if held.size else block
        whole = data.size // BLOCK * BLOCK
        yield from (data[start : start + BLOCK] for start in range(0, whole, BLOCK))
        held = data[whole:]
    if held.size:
        yield held


def _ungrouped(grouped: bytes) -> bytes:
    raw, at = np.empty(len(grouped), np.uint8), 0
    for k in range(4):
        part = raw[k::4]
        part[:] = np.frombuffer(grouped, np.uint8, part.size, at)
        at += part.size
    return raw.tobytes()


class OfValues(Coder):
    """A codec that knows the type of what it codes."""

    def whole(self, model: ModelFile, blocks: Blocks, target: Path) -> bool:
        return False

    def layer_back(self, coded: memoryview) -> Iterator[Coded]:
        yield from _decoded(coded)

    def rest_back(self, coded: memoryview) -> Iterator[Coded]:
        while len(coded):
            stop = 4 + int.from_bytes(coded[:4], "little")
            yield from _decoded(coded[4:stop])
            coded = coded[stop:]

    def rest(self, blocks: Blocks) -> Iterator[bytes]:
        """Each block behind its length."""
        for block in blocks:
            coded = self.rest_block(block)
            yield len(coded).to_bytes(4, "little") + coded

    @abstractmethod
    def rest_block(self, block: Bytes) -> bytes:
        """One payload."""

    def chunk(self, data: Bytes, dtype: str, head: int) -> bytes:
        start, stop = _whole_elements(data.size, dtype, head)
        values = np.frombuffer(data[start:stop].tobytes(), DTYPES[dtype].numpy or np.uint8)
        ends = data[:start].tobytes() + data[stop:].tobytes()
        return ends + self.values(values, dtype if DTYPES[dtype].numpy else "u8")

    def chunk_back(self, coded: bytes, dtype: str, head: int, size: int) -> bytes:
        start, stop = _whole_elements(size, dtype, head)
        numpy = DTYPES[dtype].numpy or np.dtype(np.uint8)
        values = np.empty((stop - start) // numpy.itemsize, numpy)
        ends = start + size - stop
        self.values_back(memoryview(coded)[ends:], values, dtype if DTYPES[dtype].numpy else "u8")
        return coded[:start] + values.tobytes() + coded[start:ends]

    @abstractmethod
    def values(self, values: Values, dtype: str) -> bytes:
        """Whole elements, coded; none are coded as nothing."""

    @abstractmethod
    def values_back(self, coded: memoryview, out: Values, dtype: str) -> None:
        """Fill `out`."""


def _whole_elements(size: int, dtype: str, head: int) -> tuple[int, int]:
    """Where whole elements start and end in a chunk of `size` bytes whose first one starts at `head`."""
    numpy = DTYPES[dtype].numpy
    start = min(head, size)
    return start, size - (size - start) % (1 if numpy is None else numpy.itemsize)


def _decoded(coded: memoryview) -> Iterator[Coded]:
    """The values of a payload, block by block."""
    payload = Payload(coded)
    for number in range(payload.head.n_blocks):
        start, stop = payload.head.span(number)
        out: Values = np.empty(stop - start, payload.head.numpy)
        payload.decode_block(number, out)
        yield out.view(np.uint8).data


class SplitFields(OfValues):
    """Floats as exponents apart from mantissas, in planes; everything else through zstd 3."""

    name = "split"

    def layer(self, data: Bytes, dtype: str, release: Release) -> Iterator[bytes]:
        values = passing(typed(data, dtype), release)
        codec = Split() if dtype in FLOATS else Zstd()
        for piece in encode_pieces(values, dtype, _shape(data, dtype), codec):
            assert piece is not None  # both take any values
            yield piece

    def rest_block(self, block: Bytes) -> bytes:
        return choose(block, "u8", (block.size,), [Zstd()])

    def values(self, values: Values, dtype: str) -> bytes:
        if not values.size:
            return b""
        return Split().encode(values, dtype) if dtype in FLOATS else Zstd().encode(values, dtype)

    def values_back(self, coded: memoryview, out: Values, dtype: str) -> None:
        if out.size:
            (Split() if dtype in FLOATS else Zstd()).decode(coded, out, dtype)


class Elves(OfValues):
    """The smallest of elf's lossless codecs for each layer or chunk; a whole file becomes a lossless Elves file."""

    name = "elves"

    def whole(self, model: ModelFile, blocks: Blocks, target: Path) -> bool:
        compress_file(model.path, target, rule=Rule(lossless=True))
        return True

    def whole_back(self, path: Path) -> None:
        """An Elves file holds the digest of the file that it was made from."""
        with ElvesFile(path) as file:
            if found := damages(file):
                raise ElfError(f"{path.name}: the Elves file does not restore: {found[0]}")

    def layer(self, data: Bytes, dtype: str, release: Release) -> Iterator[bytes]:
        values = passing(typed(data, dtype), release)
        return pieces(values, dtype, _shape(data, dtype), LOSSLESS)

    def rest_block(self, block: Bytes) -> bytes:
        codecs = [*LOSSLESS, Zstd(level=19)] if block.size <= WRITTEN_AT_LEISURE else LOSSLESS
        return choose(block, "u8", (block.size,), codecs)

    def values(self, values: Values, dtype: str) -> bytes:
        return encode_best(values, dtype)

    def values_back(self, coded: memoryview, out: Values, dtype: str) -> None:
        decode_best(coded, out, dtype)


def _shape(data: Bytes, dtype: str) -> tuple[int, ...]:
    """Flat: what a shape costs in the head of a payload is a few bytes, and a store keeps it with the names."""
    kind = DTYPES[dtype]
    return (data.size // kind.block_bytes * kind.block,)


CODERS: dict[str, Coder] = {coder.name: coder for coder in (Stored(), Zstd3(), Lz4Grouped(), SplitFields(), Elves())}
"""Every codec by its name."""


def packages(name: str) -> dict[str, Any]:
    """Versions of the packages that decide what a codec writes."""
    from importlib.metadata import version

    of = {"stored": [], "lz4-bg4": ["lz4"], "elves": ["zstandard", "pcodec"]}
    return {package: version(package) for package in of.get(name, ["zstandard"])}
