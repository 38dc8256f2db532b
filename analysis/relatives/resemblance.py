"""Resemblance detection as storage systems do it: similar chunks share a super-feature, and become deltas.

A chunk's FEATURES features (elf.kernels.resemblance) are summed up in SUPER super-features; two chunks that have one
in common are taken for similar, and the later one is coded by zstd with the earlier one as dictionary. Which chunk is
whose base is decided for a whole store from the super-features alone (`similar.py`); files are then coded pair by pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import zstandard
from numpy.typing import NDArray

from analysis.contents.chunking import BLOCK_BYTES, Chunker, blocks, fastcdc
from analysis.measure import FAILURES, Emit
from elf.formats.base import ModelFile
from elf.kernels.resemblance import features, super_features

SAMPLED_BITS = {"n-transform": 0, "odess": 7}
"""Windows that a method looks at: all (Shilane et al., FAST 2012, with the gear hash for Rabin's), or one of 128 that
the content itself picks (Odess: Zou et al., ICDE 2021)."""

SUPER = 3
LEVEL = 3

CHUNKS = pa.schema(
    [
        ("chunking", pa.string()),
        ("hash_hi", pa.uint64()),
        ("hash_lo", pa.uint64()),
        ("length", pa.int64()),
        ("count", pa.int64()),
        ("alone", pa.int64()),  # bytes under zstd without a base
        *((f"{method}_{i}", pa.uint64()) for method in SAMPLED_BITS for i in range(SUPER)),
    ]
)
DELTAS = pa.schema(
    [
        ("method", pa.string()),
        ("chunking", pa.string()),
        ("hash_hi", pa.uint64()),
        ("hash_lo", pa.uint64()),
        ("base_hi", pa.uint64()),
        ("base_lo", pa.uint64()),
        ("bytes_out", pa.int64()),
    ]
)

Digest = tuple[int, int]


@dataclass(frozen=True)
class _Chunk:
    """A distinct chunk of a file: where it is first, how often it occurs, its super-features by method."""

    data: NDArray[np.uint8]
    count: int
    super_features: dict[str, tuple[int, ...]]


def describe(model: ModelFile, averages: Sequence[int], methods: Sequence[str], emit: Emit) -> None:
    """Emit `chunks`: the distinct chunks of a file, in order, cut from its start by FastCDC of each average size.

    Super-features of methods not asked for are null. Parts of a file follow each other.
    """
    for average in averages:
        rows = []
        for (high, low), chunk in _distinct(model, average, methods).items():
            row = {"chunking": fastcdc(average).name, "hash_hi": high, "hash_lo": low, "length": chunk.data.size}
            row |= {"count": chunk.count, "alone": _coded(chunk.data, None, emit)}
            for method, numbers in chunk.super_features.items():
                row |= {f"{method}_{i}": number for i, number in enumerate(numbers)}
            rows.append(row)
        emit("chunks", pa.Table.from_pylist(rows, schema=CHUNKS))
        model.release()


def _distinct(model: ModelFile, average: int, methods: Sequence[str]) -> dict[Digest, _Chunk]:
    found: dict[Digest, _Chunk] = {}
    counts: dict[Digest, int] = {}
    for digest, chunk in _chunks(model, average, methods):
        counts[digest] = counts.get(digest, 0) + 1
        found.setdefault(digest, chunk)
    return {digest: _Chunk(one.data, counts[digest], one.super_features) for digest, one in found.items()}


def _chunks(model: ModelFile, average: int, methods: Sequence[str]) -> Iterator[tuple[Digest, _Chunk]]:
    for index in range(len(model.parts)):
        data = model.part(index)
        whole = np.array([data.size], np.int64)[: data.size]
        chunker = Chunker(data, [fastcdc(average)], whole)
        for start, stop in blocks(data.size, BLOCK_BYTES):
            for chunks in chunker.advance(start, stop):
                if chunks.anchor != "file":
                    continue
                numbers = {
                    method: super_features(features(data, chunks.starts, chunks.lengths, SAMPLED_BITS[method]), SUPER)
                    for method in methods
                }
                for i in range(chunks.starts.size):
                    digest = int(chunks.high[i]), int(chunks.low[i])
                    of_chunk = {method: tuple(rows[i].tolist()) for method, rows in numbers.items()}
                    at = int(chunks.starts[i])
                    yield digest, _Chunk(data[at : at + int(chunks.lengths[i])], 1, of_chunk)
            model.release()


def code_similar(files: Sequence[ModelFile], averages: Sequence[int], methods: Sequence[str], emit: Emit) -> None:
    """Emit `deltas`: distinct chunks of the last file against similar ones of the first file that come before them.

    Of several with the same super-feature the first one is the base. With one file, both are of this file.
    """
    for average in averages:
        targets = _distinct(files[-1], average, methods)
        bases = targets if len(files) == 1 else _distinct(files[0], average, methods)
        rows = []
        for method in methods:
            for target, base in _similar(bases, targets, method):
                size = _coded(targets[target].data, bases[base].data, emit)
                found = {"hash_hi": target[0], "hash_lo": target[1], "base_hi": base[0], "base_lo": base[1]}
                rows.append({"method": method, "chunking": fastcdc(average).name, **found, "bytes_out": size})
        emit("deltas", pa.Table.from_pylist(rows, schema=DELTAS))
        for model in files:
            model.release()


def _similar(
    bases: dict[Digest, _Chunk], targets: dict[Digest, _Chunk], method: str
) -> Iterator[tuple[Digest, Digest]]:
    """(target, base) for every super-feature that they have in common, each pair once."""
    first: dict[tuple[int, int], Digest] = {}
    if bases is not targets:
        _learn(first, bases, method)
    for target, chunk in targets.items():
        numbers = enumerate(chunk.super_features[method])
        found = dict.fromkeys(first[number] for number in numbers if number in first)
        if bases is targets or target not in bases:
            yield from ((target, base) for base in found)
        if bases is targets:
            _learn(first, {target: chunk}, method)


def _learn(first: dict[tuple[int, int], Digest], chunks: dict[Digest, _Chunk], method: str) -> None:
    for digest, chunk in chunks.items():
        for number in enumerate(chunk.super_features[method]):
            first.setdefault(number, digest)


def _coded(data: NDArray[np.uint8], base: NDArray[np.uint8] | None, emit: Emit) -> int:
    """Bytes of a chunk's zstd frame, with a base as its dictionary or none; its own where these are fewer."""
    raw = data.tobytes()
    known = None
    if base is not None and base.size >= 8:  # the least that zstd takes
        known = zstandard.ZstdCompressionDict(base.tobytes(), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    frame = zstandard.ZstdCompressor(level=LEVEL, dict_data=known, write_content_size=False).compress(raw)
    restored = zstandard.ZstdDecompressor(dict_data=known).decompress(frame, max_output_size=len(raw))
    if restored != raw:
        row = {
            "method": f"zstd {LEVEL}",
            "error": "NotLossless",
            "reason": f"a chunk of {len(raw)} bytes came back wrong",
        }
        emit("failures", pa.Table.from_pylist([row], schema=FAILURES))
        return len(raw)
    return min(len(frame), len(raw))
