"""What a second worker process brings: the same units by one and by two, shards written, processes started anew."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from analysis.bench.hash_dedup import BYTES, write_model
from analysis.executor import run_here
from analysis.measures.hash_dedup import MEASURE
from analysis.units import Unit

FILES = 10
REPEATS = 3
TARGET = 1.7


def speedup() -> str:
    """One line: how many times faster two workers are than one, the median of alternating runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(Path(folder) / "model.safetensors", "f32")
        ratios = [_run(path, 1) / _run(path, 2) for _ in range(REPEATS)]
    size = FILES * BYTES / 1e6
    return f"two workers over one, {size:,.0f} MB of f32: {statistics.median(ratios):.2f} (target {TARGET})\n"


def _run(path: Path, jobs: int) -> float:
    """Seconds for all units; the same file each time, as units of different keys."""
    with tempfile.TemporaryDirectory() as shards:
        keys = [f"{i:032x}" for i in range(FILES)]
        units = [Unit(key, MEASURE.name, MEASURE.params().model_dump(), (path,), 0, Path(shards)) for key in keys]
        started = time.perf_counter()
        outcomes = list(run_here(units, jobs))
        assert not any(outcome.error for outcome in outcomes), outcomes
        return time.perf_counter() - started
