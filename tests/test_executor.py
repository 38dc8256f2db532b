"""Every unit is answered for, whatever happens to the process that measures it."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.executor import run_here
from analysis.units import Outcome, Unit, run_unit


def units(count: int) -> list[Unit]:
    return [Unit(f"key-{i}", "hash_dedup", {}, (Path(f"file-{i}"),), i, Path()) for i in range(count)]


def fine(unit: Unit) -> Outcome:
    return Outcome(unit.key)


def segfault_on_three(unit: Unit) -> Outcome:
    if unit.bytes == 3:
        ctypes.string_at(0)
    return Outcome(unit.key)


def kill_own_worker_once(unit: Unit) -> Outcome:
    marker = Path(os.environ["ONCE"])
    if unit.bytes == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(unit.key)


def answered(work: Callable[[Unit], Outcome], jobs: int, count: int = 9) -> dict[str, str]:
    outcomes = list(run_here(units(count), jobs, work))
    assert len(outcomes) == count
    return {outcome.key: outcome.error for outcome in outcomes}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_unit_has_exactly_one_outcome(jobs: int) -> None:
    assert answered(fine, jobs) == {f"key-{i}": "" for i in range(9)}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_unit_that_segfaults_costs_itself_only(jobs: int) -> None:
    assert answered(segfault_on_three, jobs) == {f"key-{i}": "Crash" if i == 3 else "" for i in range(9)}


def test_a_worker_that_dies_by_accident_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCE", str(tmp_path / "once"))
    assert set(answered(kill_own_worker_once, 2).values()) == {""}


def test_no_units_is_no_work() -> None:
    assert list(run_here([], 2, fine)) == []


def test_a_unit_of_a_missing_file_is_an_outcome_not_an_exception(tmp_path: Path) -> None:
    outcome = run_unit(Unit("k", "hash_dedup", {}, (tmp_path / "gone.safetensors",), 0, tmp_path / "shards"))
    assert outcome.error == "ElfError"
    assert "gone.safetensors" in outcome.reason
