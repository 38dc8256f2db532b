"""What once gave wrong numbers, or a traceback: each is now right, or one row with its reason."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from commands import PROJECT, analysis
from onnx import TensorProto, helper, numpy_helper, save
from safetensors.numpy import save_file

from analysis.config import load_study
from analysis.places import Places
from analysis.results import Results, read
from analysis.shards import ShardWriter, is_done, shard_path, sweep_partials
from analysis.steps import run_study
from analysis.units import Unit, run_unit, state_of

WEIGHTS = {f"w{i}": np.random.default_rng(i).normal(0, 1, 500).astype(np.float32) for i in range(4)}


def study_of(tmp_path: Path, models: str = "{path: model, name: m}") -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"families: [{{name: f, models: [{models}]}}]\nmeasures: {{hash_dedup: {{fixed: [512], fastcdc: []}}}}\n"
    )
    return path


def run(tmp_path: Path, cache: Path | None = None) -> Results:
    places = Places(cache or tmp_path / "cache", tmp_path / "results")
    finished = run_study(load_study(tmp_path / "mine.yaml"), places, jobs=1)
    return read("mine", finished.tables)


def stores(results: Results) -> dict[tuple[str, str], tuple[int, float]]:
    rows = results.dedup()
    return {
        (r["granularity"], r["method"]): (int(r["bytes_in"]), float(r["ratio_payload"]))
        for r in rows.to_dict("records")
    }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file(WEIGHTS, folder / "a.safetensors")
    study_of(tmp_path)
    return folder


@pytest.mark.parametrize("cache", ["count=7/c", "stored=0/path=1", "c[1]", "it's a cache*", "plain"])
def test_the_name_of_the_cache_folder_changes_no_number(model: Path, tmp_path: Path, cache: str) -> None:
    results = run(tmp_path, tmp_path / cache)
    size = (model / "a.safetensors").stat().st_size
    assert {bytes_in for bytes_in, _ in stores(results).values()} == {size}
    assert stores(results)["layer", "typed"][1] == 1.0
    assert stores(results)["chunk", "fixed-512 @ file"][1] == 1.0


def test_every_store_has_one_denominator_whatever_failed_was_linked_or_shared(model: Path, tmp_path: Path) -> None:
    size = (model / "a.safetensors").stat().st_size
    (model / "broken.safetensors").write_bytes((2**60).to_bytes(8, "little") * 9)
    (model / "link.safetensors").symlink_to("a.safetensors")
    array = numpy_helper.from_array(np.arange(4096, dtype=np.float32), "w")
    for name in ("one", "two"):
        graph = helper.make_graph(
            [], name, [], [helper.make_tensor_value_info("w", TensorProto.FLOAT, [4096])], [array]
        )
        whole = helper.make_model(graph)
        save(whole, model / f"{name}.onnx", save_as_external_data=True, location="weights.data", size_threshold=0)
        (model / "weights.data").touch()
    results = run(tmp_path)
    on_disk = size + (model / "one.onnx").stat().st_size + (model / "weights.data").stat().st_size
    assert {bytes_in for bytes_in, _ in stores(results).values()} == {on_disk}
    assert int(results.models.at[0, "n_files"]) == 3
    failures = dict(zip(results.failures["file"], results.failures["reason"], strict=True))
    assert set(failures) == {"broken.safetensors", "two.onnx"}
    assert "weights.data belongs to one.onnx already" in failures["two.onnx"]
    assert str(tmp_path) not in " ".join(failures.values())


def test_files_of_models_with_slashes_in_their_names_stay_apart(tmp_path: Path) -> None:
    for path in ("x/b/c.safetensors", "y/c.safetensors"):
        (tmp_path / path).parent.mkdir(parents=True)
        save_file(WEIGHTS, tmp_path / path)
    study_of(tmp_path, "{path: x, name: a}, {path: y, name: a/b}")
    rows = run(tmp_path).hash_dedup
    of_files = rows[(rows["scope"] == "file") & (rows["granularity"] == "file")]
    assert set(of_files["name"]) == {"a//b/c.safetensors", "a/b//c.safetensors"}


def test_empty_tensors_odd_names_and_lines_in_names_are_measured_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    save_file({"z": np.zeros((0,), np.float16), "a\r\nb\u2028": WEIGHTS["w0"]}, tmp_path / "model" / "e\rf.safetensors")
    (tmp_path / "model" / "ok.bin").write_bytes(b"x" * 100)
    bad = bytes(tmp_path / "model") + b"/not-utf8-\xff.bin"
    with open(bad, "wb") as stream:  # noqa: PTH123  (a name that Path cannot spell)
        stream.write(b"y" * 200)
    study_of(tmp_path)
    results = run(tmp_path)
    assert set(results.layers["layer"]) == {"z", "a\\r\\nb\\u2028"}
    assert "m//not-utf8-\\xff.bin" in set(results.hash_dedup["name"])
    assert len(results.failures) == 0


def test_many_equal_large_chunks_do_not_overflow(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with (tmp_path / "model" / "zeros.bin").open("wb") as stream:
        stream.truncate(5 << 30)
    path = study_of(tmp_path)
    path.write_text(path.read_text().replace("fixed: [512], fastcdc: []", "fixed: [1048576], fastcdc: [], xet: false"))
    assert stores(run(tmp_path))["chunk", "fixed-1048576 @ file"] == (5 << 30, 5120.0)


def test_a_study_of_which_nothing_could_be_had_has_empty_tables(tmp_path: Path) -> None:
    study_of(tmp_path, "{path: gone, name: m}")
    done = analysis("run", tmp_path / "mine.yaml", cache=tmp_path / "cache", results=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "not measured: m (pull): gone: no such file or folder"
    results = read("mine", tmp_path / "mine")
    assert len(results.models) == len(results.hash_dedup) == 0
    assert len(results.failures) == 1


def unit_of(path: Path, tmp_path: Path) -> Unit:
    return Unit("k" * 32, "hash_dedup", {}, (path,), 0, tmp_path / "shards", (state_of(path),))


def test_a_file_that_changed_since_it_was_planned_serves_no_shard(model: Path, tmp_path: Path) -> None:
    unit = unit_of(model / "a.safetensors", tmp_path)
    save_file({name: value * 2 for name, value in WEIGHTS.items()}, model / "a.safetensors")
    outcome = run_unit(unit)
    assert "changed while it was measured" in outcome.reason
    assert not is_done(tmp_path / "shards", unit.key)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from analysis.units import Unit, run_unit

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
print(run_unit(Unit("k" * 32, "hash_dedup", {}, (Path(sys.argv[1]),), 0, Path(sys.argv[2]))).reason)
"""


def test_a_disk_that_fills_at_a_shards_last_bytes_leaves_none(model: Path, tmp_path: Path) -> None:
    path = model / "a.safetensors"
    assert not run_unit(unit_of(path, tmp_path)).error
    largest = max(table.stat().st_size for table in shard_path(tmp_path / "shards", "k" * 32).iterdir())
    shards = tmp_path / "full"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path, shards, str(largest - 1)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "File too large" in done.stdout
    assert not is_done(shards, "k" * 32)
    assert not run_unit(Unit("k" * 32, "hash_dedup", {}, (path,), 0, shards)).error
    assert is_done(shards, "k" * 32)


def test_a_shard_that_lost_a_table_is_measured_again(model: Path, tmp_path: Path) -> None:
    unit = unit_of(model / "a.safetensors", tmp_path)
    assert not run_unit(unit).error
    (shard_path(unit.shards, unit.key) / "chunks.parquet").unlink()
    assert not is_done(unit.shards, unit.key)
    assert not run_unit(unit).error
    assert is_done(unit.shards, unit.key)


def test_work_of_other_machines_is_not_swept(tmp_path: Path) -> None:
    host = socket.gethostname()
    theirs = [f"{host}-gpu-3999999-{'0' * 32}", f"{host}-3999999-17-{'0' * 32}", "odd"]
    mine = f"{host}-3999999-{'1' * 32}"
    for name in (*theirs, mine):
        (tmp_path / "partial" / name).mkdir(parents=True)
    sweep_partials(tmp_path)
    assert {path.name for path in (tmp_path / "partial").iterdir()} == set(theirs)


def test_a_table_that_is_never_emitted_is_not_missed(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, "s" * 32) as shard:
        shard.emit("files", pa.table({"part": [0]}))
    assert is_done(tmp_path, "s" * 32)
