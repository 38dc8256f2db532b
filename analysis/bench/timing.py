"""Timing of stages: one untimed run to warm up, then the median of several."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

REPEATS = 7


@dataclass(frozen=True)
class Stage:
    """One thing to time: what it is, on which buffer, the bytes it reads, and the bytes a second it is to reach."""

    name: str
    buffer: str
    nbytes: int
    run: Callable[[], object]
    target: float | None = None


def seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """The median time of a run, after one that is not timed."""
    run()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def report(title: str, stages: Iterable[Stage]) -> str:
    """A table of the stages: MB/s, as a part of what copying memory reaches, and the target where there is one."""
    copied = copy_speed()
    lines = [
        f"{title}: median of {REPEATS}; MB/s are 10^6 bytes a second; np.copyto of 64 MiB reaches {copied / 1e6:,.0f}",
        f"{'stage':<44}{'buffer':<36}{'MB/s':>9}{'of copy':>9}{'target':>9}",
    ]
    for stage in stages:
        speed = stage.nbytes / seconds(stage.run)
        target = f"{stage.target / 1e6:,.0f}" if stage.target else ""
        lines.append(f"{stage.name:<44}{stage.buffer:<36}{speed / 1e6:>9,.0f}{speed / copied:>9.2f}{target:>9}")
    return "\n".join([*lines, ""])


def copy_speed() -> float:
    """Bytes a second that np.copyto moves between two buffers of 64 MiB."""
    source = np.ones(64 << 20, np.uint8)
    target = np.zeros_like(source)
    return source.size / seconds(lambda: np.copyto(target, source))
