"""The stages of similarity: MinHash by both methods, the whole measure, and the exact comparison of two files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.bench.hash_dedup import BYTES, drop, write_model
from analysis.bench.timing import Stage
from analysis.measures.equal_parameters import MEASURE as EQUAL
from analysis.measures.similarity import MEASURE, SimilarityParams
from analysis.similarity.sketches import Kind, rensa_signature
from elf.formats import open_model
from elf.kernels.minhash import EMPTY, hash_placed, update

HASHES = 1 << 20
TARGET = 402e6 / 60
"""Bytes a second: the default study in a minute."""


def stages() -> Iterator[Stage]:
    """Sketching a million parameters of f32, then the measures on files in the page cache."""
    params = SimilarityParams()
    kind = Kind(params.permutations, params.seed)
    hashes = np.random.default_rng(0).integers(0, 1 << 64, HASHES, np.uint64)
    patterns = hashes.astype(np.uint32)
    n_bytes, buffer = patterns.nbytes, f"{HASHES:,} parameters of f32"
    yield Stage("hash (tensor, position, bits)", buffer, n_bytes, partial(hash_all, patterns))
    yield Stage(f"MinHash, {kind.permutations}: datasketch's scheme", buffer, n_bytes, partial(sketch, hashes, kind))
    yield Stage(f"MinHash, {kind.permutations}: rensa", buffer, n_bytes, partial(rensa_signature, hashes, kind))
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(Path(folder) / "model.safetensors", "f32")
        yield Stage(
            "the measure: sketches and noise", "128 MiB of f32, 32 tensors", BYTES, partial(measure, path), TARGET
        )
        yield Stage("two files, parameter by parameter", "twice 128 MiB of f32", 2 * BYTES, partial(compare, path))


def hash_all(patterns: NDArray[np.uint32]) -> None:
    """Hash every element by its place."""
    hash_placed(patterns, np.uint64(0), np.uint64(1), np.empty(patterns.size, np.uint64))


def sketch(hashes: NDArray[np.uint64], kind: Kind) -> None:
    """The signature of these hashes."""
    update(np.full(kind.permutations, EMPTY), hashes, np.asarray(kind.reference().permutations, np.uint64))


def measure(path: Path) -> None:
    """Run the measure; what it emits is dropped."""
    with open_model(path) as model:
        MEASURE.run(model, MEASURE.params(), drop)


def compare(path: Path) -> None:
    """Compare a file with itself; what is emitted is dropped."""
    with open_model(path) as a, open_model(path) as b:
        EQUAL.run([a, b], EQUAL.params(), drop)
