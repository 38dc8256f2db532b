"""The stages of hash deduplication: hashing, chunking, counting, and the whole measure on files in the page cache."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from analysis.bench.timing import Stage
from analysis.contents.chunking import Chunker, Rule, blocks, tensor_stops
from analysis.contents.elements import Elements
from analysis.measures.hash_dedup import MEASURE, HashDedupParams
from analysis.shards import ShardWriter
from elf.formats import open_model
from elf.kernels.gear import candidates
from elf.tensor import DTYPES, Tensor

BYTES = 128 << 20
N_TENSORS = 32
GB = 1e9
FLOATS = {"f32": "F32", "bf16": "BF16"}


def weights(dtype: str) -> NDArray[np.uint8]:
    """Normally distributed weights, standard deviation 0.02, as bytes; bf16 by cutting f32 off."""
    n = BYTES // DTYPES[dtype].block_bytes
    values = np.random.default_rng(0).normal(0, 0.02, n).astype(np.float32)
    return values.view(np.uint8) if dtype == "f32" else (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)


def stages() -> Iterator[Stage]:
    """All stages, each alone, then the measure as a worker runs it."""
    data = weights("f32")
    yield Stage("xxh3-128 of everything (xxhash)", "128 MiB of f32", BYTES, partial(xxhash.xxh3_128_digest, data.data))
    yield Stage("gear hash, candidates of 10 bits", "128 MiB of f32", BYTES, partial(candidates, data, 0, BYTES, 10))
    for rule in HashDedupParams().rules():
        target = 1.5 * GB if rule.loose_bits else 3 * GB
        yield Stage(f"{rule.name}: cut and hash", "128 MiB of f32", BYTES, partial(chunk, data, [rule], []), target)
    tensors = [Tensor(str(i), "f32", (), 1, 1, 777 + i * (BYTES // N_TENSORS)) for i in range(N_TENSORS)]
    every = partial(chunk, data, HashDedupParams().rules(), tensors)
    yield Stage("all rules at both anchors", "128 MiB of f32, 32 tensors", BYTES, every)
    for dtype in FLOATS:
        yield Stage(
            f"statistics and distinct {dtype}", "32 tensors of 4 MiB", BYTES, partial(count, dtype, weights(dtype))
        )
    yield from measure_stages()


def measure_stages() -> Iterator[Stage]:
    """The measure with its defaults, without and with the shard that it writes."""
    with tempfile.TemporaryDirectory() as folder:
        for dtype in FLOATS:
            path = write_model(Path(folder) / f"{dtype}.safetensors", dtype)
            buffer = f"128 MiB of {dtype}, 32 tensors, file"
            yield Stage("the whole measure", buffer, BYTES, partial(measure, path), 0.3 * GB)
            yield Stage("... and its shard on disk", buffer, BYTES, partial(measure_to_disk, path))


def chunk(data: NDArray[np.uint8], rules: Sequence[Rule], tensors: Sequence[Tensor]) -> int:
    """Cut and hash a buffer as the measure does, block by block; returns the number of chunks."""
    chunker = Chunker(data, rules, tensor_stops(tensors, 0, data.size))
    return sum(chunks.lengths.size for start, stop in blocks(data.size) for chunks in chunker.advance(start, stop))


def count(dtype: str, data: NDArray[np.uint8]) -> None:
    """Statistics and distinct patterns of a buffer of equally large tensors."""
    elements = Elements(drop, lambda: None)
    for tensor in np.split(data, N_TENSORS):
        elements.add(dtype, tensor)
    elements.flush()


def write_model(path: Path, dtype: str) -> Path:
    """A safetensors file of equally large tensors."""
    step, code = BYTES // N_TENSORS, FLOATS[dtype]
    shape = [step // DTYPES[dtype].block_bytes]
    header = {
        f"layer.{i}.weight": {"dtype": code, "shape": shape, "data_offsets": [i * step, (i + 1) * step]}
        for i in range(N_TENSORS)
    }
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + weights(dtype).tobytes())
    return path


def measure(path: Path) -> None:
    """Run the measure; what it emits is dropped."""
    with open_model(path) as model:
        MEASURE.run(model, MEASURE.params(), drop)


def measure_to_disk(path: Path) -> None:
    """Run the measure and write its shard, as a worker does."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_model(path) as model,
        ShardWriter(Path(folder), "bench") as shard,
    ):
        MEASURE.run(model, MEASURE.params(), shard.emit)


def drop(_name: str, _table: pa.Table) -> None:
    """Take what a measure emits, and keep nothing."""
