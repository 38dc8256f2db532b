"""A run gives the same tables whatever happens on the way, and says what it could not measure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import PROJECT, TINY, analysis, command, scratch_cache, tables

from analysis.places import Places
from analysis.results import read
from analysis.shards import sweep_partials

pytestmark = pytest.mark.usefixtures("tiny_study")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_study: object) -> dict[str, bytes]:
    """The tables of one plain run of the tiny study."""
    assert tiny_study
    folder = tmp_path_factory.mktemp("undisturbed")
    done = analysis("run", TINY, "--jobs", 2, cache=scratch_cache(folder / "cache"), results=folder / "results")
    assert done.returncode == 0, done.stderr
    return tables(folder / "results" / "tiny")


@pytest.mark.timeout(1800)
def test_the_committed_tables_of_the_tiny_study_are_what_a_run_gives(tmp_path: Path) -> None:
    cache = scratch_cache(tmp_path / "cache")
    study = PROJECT / "configs" / "tiny.yaml"
    done = analysis("run", study, "--jobs", 2, cache=cache, results=tmp_path, timeout=1700)
    assert done.returncode == 0, done.stderr
    committed, made = tables(PROJECT / "results" / "tiny"), tables(tmp_path / "tiny")
    assert set(made) == set(committed)
    assert [name for name in committed if committed[name] != made[name]] == []


def test_another_hash_seed_and_number_of_workers_give_the_same_bytes(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    cache = scratch_cache(tmp_path / "cache")
    done = analysis("run", TINY, "--jobs", 1, cache=cache, results=tmp_path, env={"PYTHONHASHSEED": "1"})
    assert done.returncode == 0, done.stderr
    assert tables(tmp_path / "tiny") == undisturbed


@pytest.mark.parametrize("shards", [0, 3, 15], ids=lambda n: f"after {n} shards")
def test_a_killed_run_goes_on_and_gives_the_same_tables(
    undisturbed: dict[str, bytes], tmp_path: Path, shards: int
) -> None:
    cache = scratch_cache(tmp_path / "cache")
    start = command("run", TINY, "--jobs", 2, cache=cache, results=tmp_path)
    running = subprocess.Popen(start, cwd=PROJECT, stderr=subprocess.DEVNULL)
    _wait_for(
        lambda: len(list((cache / "shards").glob("*/*/files.parquet"))) >= shards and (cache / "shards").exists(),
        running,
    )
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "tiny" / "models.csv").exists()
    done = analysis("run", TINY, "--jobs", 2, cache=cache, results=tmp_path)
    assert done.returncode == 0, done.stderr
    assert tables(tmp_path / "tiny") == undisturbed
    _swept(cache / "shards")


def _swept(shards: Path) -> None:
    """Orphaned workers leave a moment after their run was killed; then the next sweep takes what they left."""
    for _ in range(100):
        sweep_partials(shards)
        if not any((shards / "partial").iterdir()):
            return
        time.sleep(0.1)
    raise AssertionError(f"left behind: {list((shards / 'partial').iterdir())}")


def test_a_second_run_measures_nothing(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    cache = scratch_cache(tmp_path / "cache")
    for expected in (28, 0):
        done = analysis("run", TINY, cache=cache, results=tmp_path)
        assert f"{expected} units measured now, {28 - expected} there already" in done.stderr
    assert tables(tmp_path / "tiny") == undisturbed


def test_a_cluster_that_loses_a_worker_gives_the_same_tables(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    cache = scratch_cache(tmp_path / "cache")
    with _Cluster(tmp_path) as cluster:
        start = command("run", TINY, "--dask", cluster.address, cache=cache, results=tmp_path)
        running = subprocess.Popen(start, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
        _wait_for(lambda: any((cache / "shards").glob("*/*/files.parquet")), running)
        cluster.workers[0].kill()
        _, said = running.communicate(timeout=200)
    assert running.returncode == 0, said
    assert tables(tmp_path / "tiny") == undisturbed


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    cache = scratch_cache(tmp_path / "cache")
    done = analysis("run", TINY, "--dask", "tcp://127.0.0.1:9", cache=cache, results=tmp_path)
    assert done.returncode == 1
    assert "tcp://127.0.0.1:9: no Dask scheduler answers there" in done.stderr.splitlines()[-1]


class _Cluster:
    """A real scheduler and two workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "scheduler.json"
        self._started: list[subprocess.Popen[bytes]] = []
        self._folder = folder

    def __enter__(self) -> _Cluster:
        self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self._file)
        )
        _wait_for(self._file.exists, self._started[0])
        self.address = json.loads(self._file.read_text())["address"]
        for _ in range(2):
            options = [
                "--nthreads",
                "1",
                "--nworkers",
                "1",
                "--no-nanny",
                "--no-dashboard",
                "--local-directory",
                str(self._folder),
            ]
            self._start("worker", self.address, *options)
        self.workers = self._started[1:]
        return self

    def _start(self, what: str, *options: str) -> None:
        arguments = [sys.executable, "-m", "distributed.cli.dask_" + what, *options]
        self._started.append(
            subprocess.Popen(arguments, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started):
            process.kill()
            process.wait()


def _wait_for(condition: object, running: subprocess.Popen[object] | subprocess.Popen[bytes]) -> None:
    for _ in range(12_000):
        if condition():  # type: ignore[operator]
            return
        assert running.poll() is None, "ended before its time"
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def hostile_folder(folder: Path) -> Path:
    """A model folder in which everything that can be wrong with a file is, beside two good files."""
    model = PROJECT / ".cache" / "models"
    good = next(model.glob("pypi/fracast*/*/fracast/weights/model.safetensors")).read_bytes()
    folder.mkdir()
    (folder / "good.safetensors").write_bytes(good)
    (folder / "notes.bin").write_bytes(b"not a model at all " * 500)
    (folder / "truncated.safetensors").write_bytes(good[: len(good) // 2])
    (folder / "lying.safetensors").write_bytes((2**60).to_bytes(8, "little") + good[8:])
    (folder / "empty.safetensors").touch()
    (folder / "loop.safetensors").symlink_to(folder / "loop.safetensors")
    return folder


def test_bad_files_are_rows_with_reasons_and_the_rest_is_measured(tmp_path: Path) -> None:
    hostile_folder(tmp_path / "model")
    study = tmp_path / "mine.yaml"
    study.write_text("families: [{name: f, models: [{path: model, name: m}]}]\n")
    done = analysis("run", study, cache=tmp_path / "cache", results=tmp_path / "results")
    assert done.returncode == 1, done.stderr
    results = read("mine", tmp_path / "results" / "mine")
    failures = dict(zip(results.failures["file"], results.failures["reason"], strict=True))
    assert set(failures) == {"truncated.safetensors", "lying.safetensors", "empty.safetensors", "loop.safetensors"}
    assert str(tmp_path / "model") not in " ".join(failures.values()), "a table holds no path of a machine"
    assert all(f"m/{name}" in done.stderr for name in failures)
    assert set(results.layers["file"]) == {"good.safetensors"}
    measured = results.hash_dedup[
        (results.hash_dedup["scope"] == "file") & (results.hash_dedup["granularity"] == "file")
    ]
    assert set(measured["name"]) == {"m//good.safetensors", "m//notes.bin"}


CRASHING_READER = """
import ctypes, sys

def crash(event, arguments):
    if event == "open" and str(arguments[0]).endswith("notes.bin") and "spawn" in " ".join(sys.orig_argv):
        ctypes.string_at(0)

sys.addaudithook(crash)
"""


def test_a_file_that_crashes_its_process_is_one_row(tmp_path: Path) -> None:
    """The reader is made to crash for one file by a module that Python loads at start."""
    hostile_folder(tmp_path / "model")
    for name in ("truncated", "lying", "empty", "loop"):
        (tmp_path / "model" / f"{name}.safetensors").unlink()
    (tmp_path / "sitecustomize.py").write_text(CRASHING_READER)
    study = tmp_path / "mine.yaml"
    study.write_text("families: [{name: f, models: [{path: model, name: m}]}]\nmeasures: {hash_dedup: {}}\n")
    env = {"PYTHONPATH": str(tmp_path)}
    done = analysis("run", study, "--jobs", 2, cache=tmp_path / "cache", results=tmp_path, env=env)
    assert done.returncode == 1, done.stderr
    results = read("mine", tmp_path / "mine")
    assert results.failures[["file", "error"]].to_numpy().tolist() == [["notes.bin", "Crash"]]
    assert set(results.layers["file"]) == {"good.safetensors"}


def test_a_bad_configuration_stops_before_any_work(tmp_path: Path) -> None:
    study = tmp_path / "bad.yaml"
    study.write_text("familys: []\nmeasures: {hash_dedupe: {}}\n")
    done = analysis("run", study, cache=tmp_path / "cache", results=tmp_path / "results")
    assert done.returncode == 2
    assert "did you mean 'families'" in done.stderr
    assert "did you mean 'hash_dedup'" in done.stderr
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "results").exists()


def test_a_published_study_is_never_overwritten_by_a_run(tmp_path: Path) -> None:
    where = Places(scratch_cache(tmp_path / "cache"), tmp_path)
    assert analysis("run", TINY, cache=where.cache, results=where.results).returncode == 0
    assert analysis("publish", TINY, cache=where.cache, results=where.results).returncode == 0
    published = tmp_path / "tiny" / "models.csv"
    published.write_text("changed by hand\n")
    done = analysis("run", TINY, cache=where.cache, results=where.results)
    assert done.returncode == 0, done.stderr
    assert published.read_text() == "changed by hand\n"
    assert (tmp_path / "tiny" / "local" / "tables" / "models.csv").exists()
