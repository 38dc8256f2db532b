from __future__ import annotations

import numpy as np

from analysis.bench.hash_dedup import chunk, count, drop
from analysis.bench.timing import REPEATS, Stage, report, seconds
from analysis.measures.hash_dedup import HashDedupParams


def test_a_run_is_warmed_up_once_and_then_repeated() -> None:
    calls: list[int] = []
    assert seconds(lambda: calls.append(1)) >= 0
    assert len(calls) == REPEATS + 1


def test_the_report_names_every_stage_its_buffer_and_its_target() -> None:
    stages = [Stage("first", "a kilobyte", 1_000, lambda: None, 3e9), Stage("second", "nothing", 1, lambda: None)]
    lines = report("title", stages).splitlines()
    assert lines[0].startswith("title: median of")
    assert [line.split()[0] for line in lines[2:]] == ["first", "second"]
    assert lines[2].endswith("3,000")


def test_the_timed_stages_run_on_any_buffer() -> None:
    data = np.random.default_rng(0).normal(0, 1, 32 * 1_000).astype(np.float32).view(np.uint8)
    assert chunk(data, HashDedupParams().rules(), []) > 2 * data.size // 512
    count("f32", data)
    drop("any", None)
