"""What the harness adds to codecs: the same codec over the same units, called alone and through the study's totals."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from analysis.bench.timing import REPEATS
from analysis.compression.coding import totals
from analysis.compression.methods import Method
from analysis.compression.units import Piece

NBYTES = 1 << 23
UNITS = (4096, 65536, NBYTES)
METHODS = ("lz4:level=0", "zstd:level=3", "gzip:level=6", "split", "pcodec:level=8")
MOST = 0.10
"""The harness adds at most so much."""


def report() -> str:
    """Seconds alone and through the harness, one core, for each method that is installed and each size of unit."""
    lines = [
        f"harness of codecs: {NBYTES >> 20} MiB of f32, medians of {REPEATS}; aim: {MOST:.0%} at most",
        f"{'method':<24}{'unit bytes':>12}{'alone MB/s':>12}{'harness':>12}{'added':>9}",
    ]
    for text in METHODS:
        method = Method(text)
        lines += [_line(method, size) for size in UNITS if not method.missing]
    return "\n".join([*lines, ""])


def _line(method: Method, size: int) -> str:
    units = pieces(size)
    runs = partial(_alone, method.coder.encode, units), partial(totals, units, method.coder, check=False)
    pairs = [[_cpu(run) for run in runs] for _ in range(1 + REPEATS)][1:]  # the first ones warm up
    alone, harness = (statistics.median(times) for times in zip(*pairs, strict=True))
    added = statistics.median(through / plain - 1 for plain, through in pairs)
    return f"{method.text:<24}{size:>12,}{NBYTES / alone / 1e6:>12,.0f}{NBYTES / harness / 1e6:>12,.0f}{added:>9.1%}"


def _cpu(run: Callable[[], object]) -> float:
    """Processor seconds of this thread: what other processes do must not look like overhead."""
    started = time.thread_time()
    run()
    return time.thread_time() - started


def pieces(size: int) -> list[Piece]:
    """Normal weights, cut into units of `size` bytes."""
    weights = (np.random.default_rng(1).standard_normal(NBYTES // 4) * 0.05).astype(np.float32)
    count = size // weights.itemsize
    cut = (weights[at : at + count] for at in range(0, weights.size, count))
    return [Piece(values, "f32", "f32", values.nbytes) for values in cut]


def _alone(encode: Callable[..., bytes | None], units: Iterable[Piece]) -> int:
    return sum(len(encode(unit.values, "f32") or b"") for unit in units)
