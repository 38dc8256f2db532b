"""One model file through one codec: whole, layer by layer and chunk by chunk, each unit hashed before it is coded.

The coded file, and the coded layers one after another, are themselves cut into content-defined chunks: what a store
that deduplicates what others compressed would see. Everything coded is decoded again and compared.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from analysis.composition.coders import CODERS, Bytes, Coder
from analysis.contents.chunking import Chunker, Chunks, Rule, blocks, halves, tensor_stops
from analysis.measure import Emit
from elf.codecs.varint import Bytes as Coded
from elf.errors import ElfError
from elf.formats.base import ModelFile, map_file
from elf.skeleton import Layout, cut, skeleton
from elf.tensor import DTYPES, Tensor

UNITS = pa.schema(
    [
        ("codec", pa.string()),
        ("method", pa.string()),  # "file: whole", "layer: untyped", "chunk: xet @ tensor"
        ("hash_hi", pa.uint64()),  # XXH3-128 of the unit before coding
        ("hash_lo", pa.uint64()),
        ("bytes", pa.int64()),  # before coding
        ("coded", pa.int64()),  # after it, at most `bytes`; what a store keeps beside them is not in it
        ("count", pa.int64()),
    ]
)
STREAMS = pa.schema(
    [
        ("codec", pa.string()),
        ("unit", pa.string()),  # what was coded at a time: file or layer
        ("method", pa.string()),  # "xet @ file": the rule that cuts the coded bytes
        ("hash_hi", pa.uint64()),  # XXH3-128 of a chunk of the coded bytes
        ("hash_lo", pa.uint64()),
        ("bytes", pa.int64()),
        ("count", pa.int64()),
    ]
)
LAYERS = pa.schema(
    [
        ("codec", pa.string()),
        ("number", pa.int64()),  # in the order of the file; -1 for all bytes that are in no layer
        ("name", pa.string()),
        ("dtype", pa.string()),
        ("hash_hi", pa.uint64()),  # XXH3-128 of the bytes as they are stored
        ("hash_lo", pa.uint64()),
        ("content", pa.string()),  # XXH3-128 of the tensor's bytes in C order, 32 hexadecimal digits; "" of the rest
        ("bytes", pa.int64()),
        ("coded", pa.int64()),
    ]
)
PIECES = pa.schema(
    [
        ("codec", pa.string()),
        ("number", pa.int64()),  # of the layer
        ("hash_hi", pa.uint64()),  # XXH3-128 of one of its chunks, in order, cut by the first rule at the tensor
        ("hash_lo", pa.uint64()),
        ("bytes", pa.int64()),
        ("coded", pa.int64()),
    ]
)

SCHEMAS = {"units": UNITS, "streams": STREAMS, "layers": LAYERS, "pieces": PIECES}
Row = tuple[Any, ...]


def compose(model: ModelFile, codec: str, rules: Sequence[Rule], emit: Emit) -> None:
    """Emit `units`, `streams`, `layers` and `pieces` of one model file and one codec.

    Raises ElfError when a unit does not come back as it was.
    """
    with tempfile.TemporaryDirectory(prefix="composition-") as folder:
        _Pass(model, codec, rules, emit, Path(folder)).run()


class _Pass:
    """The state of one pass over one model file."""

    def __init__(self, model: ModelFile, codec: str, rules: Sequence[Rule], emit: Emit, folder: Path) -> None:
        self._model = model
        self._coder: Coder = CODERS[codec]
        self._rules = rules
        self._emit = emit
        self._folder = folder
        self._layout, self._stored = cut(model)
        self._tensors = {tensor.name: tensor for tensor in model.tensors}
        self._units: Counter[Row] = Counter()
        self._coded: dict[Row, int] = {}

    def run(self) -> None:
        self._file()
        self._layers()
        for part in range(len(self._model.parts)):
            self._part(part)
        self._write("units", [(*row, n) for row, n in sorted(self._units.items())])

    def _write(self, table: str, rows: Sequence[Row]) -> None:
        """Emit rows that lack the codec, which is the first column."""
        if rows:
            columns: list[Any] = [[self._coder.name] * len(rows), *zip(*rows, strict=True)]
            schema = SCHEMAS[table]
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            self._emit(table, pa.table(arrays, schema=schema))

    def _blocks(self) -> Iterator[Bytes]:
        """All bytes of all parts in order."""
        for part in range(len(self._model.parts)):
            data = self._model.part(part)
            for start, stop in blocks(data.size):
                yield data[start:stop]
                self._model.release()

    def _file(self) -> None:
        target = self._folder / "whole"
        hashed = _hash(self._blocks())
        size = sum(self._layout.sizes)
        if not size or not self._coder.whole(self._model, self._blocks(), target):
            return
        if (back := self._coder.whole_back(target)) is not None:
            self._compare(back, self._blocks(), "the file")
        self._units["file: whole", *hashed, size, min(size, target.stat().st_size)] += 1
        self._stream("file", target)

    def _compare(self, found: Iterable[Coded], wanted: Iterable[Bytes], what: str) -> None:
        """Raises ElfError when there are other bytes."""
        restored = xxhash.xxh3_128()
        for piece in found:
            restored.update(piece)
        if halves(restored.intdigest()) != _hash(wanted):
            raise ElfError(f"{self._model.path}: {self._coder.name}: {what} is not the same after decoding")

    def _stream(self, unit: str, path: Path) -> None:
        """The chunks of coded bytes; the file goes away."""
        data = map_file(path)
        whole = np.array([data.size], np.int64)[: data.size]
        chunker = Chunker(data, self._rules, whole)
        found: Counter[Row] = Counter()
        for start, stop in blocks(data.size):
            for chunks in chunker.advance(start, stop):
                if chunks.anchor == "file":
                    found.update(_rows(unit, f"{chunks.rule.name} @ file", chunks))
        self._write("streams", [(*row, n) for row, n in sorted(found.items())])
        path.unlink()

    def _layers(self) -> None:
        """Code every layer, and the rest of the file, into one stream."""
        target = self._folder / "layers"
        rows: list[Row] = []
        with target.open("wb") as stream:
            for number, tensor in enumerate(self._stored):
                start = stream.tell()
                stream.writelines(self._coder.layer(self._data(number), tensor.dtype, self._model.release))
                rows.append((number, tensor.name, tensor.dtype, start, stream.tell()))
            start = stream.tell()
            stream.writelines(self._coder.rest(self._rest()))
            rows.append((-1, "", "u8", start, stream.tell()))
        coded = map_file(target)
        self._write("layers", [self._layer(coded, row) for row in rows if row[0] >= 0 or self._layout.skeleton_bytes])
        del coded
        self._stream("layer", target)

    def _data(self, number: int) -> Bytes:
        place = self._layout.ranges[number]
        return self._model.part(place.part)[place.start : place.stop]

    def _rest(self) -> Iterator[Bytes]:
        return (np.frombuffer(piece, np.uint8) for piece in skeleton(self._model, self._layout))

    def _pieces(self, number: int) -> Iterator[Bytes]:
        if number < 0:
            yield from self._rest()
            return
        data = self._data(number)
        for start, stop in blocks(data.size):
            yield data[start:stop]
        if data.size > 1 << 23:
            self._model.release()

    def _layer(self, coded: Bytes, row: Row) -> Row:
        """The row of a layer, once it was compared; it is also a unit."""
        number, name, dtype, start, stop = row
        back = self._coder.layer_back if number >= 0 else self._coder.rest_back
        self._compare(back(coded[start:stop].data), self._pieces(number), name or "what is in no layer")
        size = self._layout.ranges[number].size if number >= 0 else self._layout.skeleton_bytes
        kept = min(size, stop - start)
        hashed = _hash(self._pieces(number))
        self._units["layer: untyped", *hashed, size, kept] += 1
        return number, name, dtype, *hashed, self._content(number, hashed), size, kept

    def _content(self, number: int, hashed: tuple[int, int]) -> str:
        """The hash that other measures give the layer; another one where its axes are stored in another order."""
        if number < 0:
            return ""
        if self._stored[number].axes is not None:
            hashed = _hash([self._model.bytes(self._tensors[self._stored[number].name])])
        return f"{hashed[0]:016x}{hashed[1]:016x}"

    def _part(self, part: int) -> None:
        """Code every chunk of one part; chunks of both anchors that are the same are coded once."""
        data = self._model.part(part)
        everything = [self._model.as_stored(tensor) for tensor in self._model.tensors]
        chunker = Chunker(data, self._rules, tensor_stops(everything, part, data.size))
        places = _Places(self._layout, self._stored, part)
        pieces: list[Row] = []
        for start, stop in blocks(data.size):
            for chunks in chunker.advance(start, stop):
                for at, key in zip(chunks.starts.tolist(), _keys(chunks), strict=True):
                    number, dtype, head = places.of(at, key[2])
                    kept = self._chunk(data[at : at + key[2]], (*key, dtype, head))
                    self._units[f"chunk: {chunks.rule.name} @ {chunks.anchor}", *key, kept] += 1
                    if number >= 0 and chunks.anchor == "tensor" and chunks.rule == self._rules[0]:
                        pieces.append((number, *key, kept))
            self._model.release()
        self._write("pieces", pieces)

    def _chunk(self, data: Bytes, key: Row) -> int:
        """Coded length of a chunk, at most its own; `key` is what it depends on."""
        if key not in self._coded:
            size, dtype, head = key[2:]
            coded = self._coder.chunk(data, dtype, head)
            if self._coder.chunk_back(coded, dtype, head, size) != data.tobytes():
                raise ElfError(f"{self._model.path}: {self._coder.name}: a chunk is not the same after decoding")
            self._coded[key] = min(size, len(coded))
        return self._coded[key]


class _Places:
    """Which layer of a part a chunk lies in."""

    def __init__(self, layout: Layout, stored: Sequence[Tensor], part: int) -> None:
        here = [number for number, place in enumerate(layout.ranges) if place.part == part]
        self._numbers = here
        self._ranges = [layout.ranges[number] for number in here]
        self._dtypes = [stored[number].dtype for number in here]
        self._starts: NDArray[np.int64] = np.array([place.start for place in self._ranges], np.int64)

    def of(self, at: int, size: int) -> tuple[int, str, int]:
        """Of the layer that holds the middle of a chunk: number, or -1 if the chunk lies not in it as a whole; dtype;
        and the bytes before its first whole element. No layer: -1, u8, 0."""
        middle = at + size // 2
        found = int(np.searchsorted(self._starts, middle, "right")) - 1
        if found < 0 or middle >= self._ranges[found].stop:
            return -1, "u8", 0
        place, kind = self._ranges[found], DTYPES[self._dtypes[found]]
        head = (place.start - at) % (1 if kind.numpy is None else kind.numpy.itemsize)
        inside = place.start <= at and at + size <= place.stop
        return self._numbers[found] if inside else -1, kind.name, head


def _hash(pieces: Iterable[Bytes]) -> tuple[int, int]:
    hashed = xxhash.xxh3_128()
    for piece in pieces:
        hashed.update(piece.data)
    return halves(hashed.intdigest())


def _keys(chunks: Chunks) -> Iterator[tuple[int, int, int]]:
    yield from zip(chunks.high.tolist(), chunks.low.tolist(), chunks.lengths.tolist(), strict=True)


def _rows(unit: str, method: str, chunks: Chunks) -> Iterator[Row]:
    return ((unit, method, *key) for key in _keys(chunks))
