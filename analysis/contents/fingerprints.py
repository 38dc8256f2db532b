"""One pass over a model file: hashes of its parts, layers and chunks, and what its parameters are like.

Bytes are looked at block by block in file order, each layer as soon as the block that ends it was chunked, and the
mapped pages are given back after each block: memory is bounded by a block, not by the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from analysis.contents.chunking import BLOCK_BYTES, Chunker, Rule, blocks, halves, plain_tensors, tensor_stops
from analysis.contents.elements import STATISTICS, Elements
from analysis.contents.tally import Tally
from analysis.measure import Emit
from elf.formats.base import ModelFile
from elf.tensor import Tensor

FILES = pa.schema(
    [
        ("part", pa.int32()),  # 0 is the file itself, then its external data
        ("format", pa.string()),  # of the model file; "bytes" when it is unknown
        ("bytes", pa.int64()),
        ("hash_hi", pa.uint64()),  # XXH3-128 of the part
        ("hash_lo", pa.uint64()),
    ]
)

LAYERS = pa.schema(
    [
        ("index", pa.int64()),  # place in the file's list of tensors
        ("name", pa.string()),
        ("dtype", pa.string()),
        ("shape", pa.list_(pa.int64())),
        ("role", pa.string()),
        ("n_params", pa.int64()),
        ("part", pa.int32()),
        ("offset", pa.int64()),  # null when the bytes are not stored plain
        ("bytes", pa.int64()),  # decoded
        ("stored", pa.int64()),  # bytes of the part that are its own
        ("alias_of", pa.string()),  # null when the bytes are its own
        ("hash_hi", pa.uint64()),  # XXH3-128 of the decoded bytes
        ("hash_lo", pa.uint64()),
        *((name, pa.int64()) for name in STATISTICS),
    ]
)


def fingerprint(model: ModelFile, rules: Sequence[Rule], emit: Emit, block_bytes: int = BLOCK_BYTES) -> None:
    """Emit the tables `files`, `layers`, `chunks` and `values-DTYPE` of one model file.

    `files` and `layers` are emitted once, the others in any number of pieces, or never when there is nothing in them.
    Raises ElfError when a tensor cannot be decoded.
    """
    one_pass = _Pass(model, rules, emit, block_bytes)
    files = [one_pass.part(index) for index in range(len(model.parts))]
    emit("files", pa.Table.from_pylist(files, schema=FILES))
    emit("layers", pa.Table.from_pylist(one_pass.layers(), schema=LAYERS))
    one_pass.finish()


class _Pass:
    """The state of one pass over one model file."""

    def __init__(self, model: ModelFile, rules: Sequence[Rule], emit: Emit, block_bytes: int) -> None:
        self._model = model
        self._rules = rules
        self._block_bytes = block_bytes
        self._tally = Tally(partial(emit, "chunks"))
        self._elements = Elements(emit, self._model.release)
        self._found: dict[str, dict[str, object]] = {}

    def part(self, index: int) -> dict[str, object]:
        """Chunk and hash one part, and the layers that are stored plain in it; its row of `files`."""
        data = self._model.part(index)
        stored = [self._model.as_stored(tensor) for tensor in self._model.tensors]  # in any order of the axes
        chunker = Chunker(data, self._rules, tensor_stops(stored, index, data.size))
        waiting = sorted(plain_tensors(self._model.tensors, index), key=_end, reverse=True)
        whole = xxhash.xxh3_128()
        for start, stop in blocks(data.size, self._block_bytes):
            whole.update(data[start:stop].data)
            for chunks in chunker.advance(start, stop):
                self._tally.add(chunks)
            while waiting and _end(waiting[-1]) <= stop:
                self._look_at(waiting.pop())
            self._model.release()
        high, low = halves(whole.intdigest())
        return {"part": index, "format": self._model.format, "bytes": data.size, "hash_hi": high, "hash_lo": low}

    def layers(self) -> list[dict[str, object]]:
        """The rows of `layers`, in the order of the file's tensors; looks at those that no block brought first."""
        for tensor in self._model.tensors:
            if tensor.name not in self._found:
                self._look_at(tensor)
        return [self._row(index, tensor) for index, tensor in enumerate(self._model.tensors)]

    def finish(self) -> None:
        """Hand on what is still held."""
        self._tally.flush()
        self._elements.flush()

    def _look_at(self, tensor: Tensor) -> None:
        """An alias is hashed, but its parameters are those of the tensor whose bytes it shares: they count once."""
        data = self._model.bytes(tensor)
        hashed = xxhash.xxh3_128()
        for start, stop in blocks(data.size, self._block_bytes):
            hashed.update(data[start:stop].data)
            self._release_large(data)
        high, low = halves(hashed.intdigest())
        counts = {} if tensor.alias_of is not None else self._elements.add(tensor.dtype, data)
        self._found[tensor.name] = {"hash_hi": high, "hash_lo": low, **counts}

    def _release_large(self, data: NDArray[np.uint8]) -> None:
        if data.size > self._block_bytes:
            self._model.release()

    def _row(self, index: int, tensor: Tensor) -> dict[str, object]:
        return {
            **asdict(tensor),
            "index": index,
            "n_params": tensor.n_params,
            "bytes": tensor.nbytes,
            **self._found[tensor.name],
        }


def _end(tensor: Tensor) -> int:
    return (tensor.offset or 0) + tensor.nbytes
