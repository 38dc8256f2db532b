"""Shards appear whole or not at all, and serve only what they were made for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.shards import ShardWriter, is_done, shard_key, shard_path, sweep_partials

ROWS = pa.table({"value": pa.array([1, 5, 2**64 - 1], pa.uint64())})
FACTS = ("m", 1, {"fixed": [512]}, "1")


def test_a_shard_is_done_only_after_a_clean_exit(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, "a" * 32) as shard:
        shard.emit("values", ROWS)
        shard.emit("values", ROWS)
        assert not is_done(tmp_path, "a" * 32)
    assert is_done(tmp_path, "a" * 32)
    back = pq.read_table(shard_path(tmp_path, "a" * 32) / "values.parquet")
    assert back["value"].to_pylist() == ROWS["value"].to_pylist() * 2


def test_a_failed_measure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with ShardWriter(tmp_path, "b" * 32) as shard:
            shard.emit("values", ROWS)
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert not is_done(tmp_path, "b" * 32)
    assert list((tmp_path / "partial").iterdir()) == []


def test_two_writers_of_one_shard_agree(tmp_path: Path) -> None:
    first, second = ShardWriter(tmp_path, "c" * 32), ShardWriter(tmp_path, "c" * 32)
    with first, second:
        first.emit("values", ROWS)
        second.emit("values", ROWS)
    assert is_done(tmp_path, "c" * 32)
    assert list((tmp_path / "partial").iterdir()) == []


@pytest.mark.parametrize(
    "changed",
    [
        ([["x"]], "m", 1, {"fixed": [512]}, "2"),
        ([["x"]], "m", 2, {"fixed": [512]}, "1"),
        ([["x"]], "m", 1, {"fixed": [256]}, "1"),
        ([["x"]], "n", 1, {"fixed": [512]}, "1"),
        ([["y"]], "m", 1, {"fixed": [512]}, "1"),
        ([["x", "y"]], "m", 1, {"fixed": [512]}, "1"),
        ([["x"], ["y"]], "m", 1, {"fixed": [512]}, "1"),
    ],
    ids=["reader", "version", "parameters", "measure", "content", "parts", "files"],
)
def test_whatever_a_result_depends_on_changes_its_key(
    changed: tuple[list[list[str]], str, int, dict[str, object], str],
) -> None:
    assert shard_key(*changed) != shard_key([["x"]], *FACTS)


def test_a_key_depends_on_nothing_else() -> None:
    again = json.loads(json.dumps(FACTS[2]))
    assert shard_key([["x"]], "m", 1, again, "1") == shard_key([["x"]], *FACTS)


def test_what_a_killed_process_left_is_swept_and_what_runs_is_not(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from analysis.shards import ShardWriter
writer = ShardWriter(Path({str(tmp_path)!r}), "d" * 32)
writer.__enter__()
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with ShardWriter(tmp_path, "e" * 32) as mine:
        assert len(list((tmp_path / "partial").iterdir())) == 2
        sweep_partials(tmp_path)
        [left] = (tmp_path / "partial").iterdir()
        assert f"-{os.getpid()}-" in left.name
        mine.emit("values", ROWS)
    assert is_done(tmp_path, "e" * 32)
