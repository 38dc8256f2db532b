"""Every subcommand answers on stdout, says the rest on stderr, and ends with 0, 1 or 2."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import PROJECT, TINY, analysis, command, scratch_cache
from loopback_hub import LoopbackHub

pytestmark = pytest.mark.usefixtures("tiny_study")


@pytest.fixture
def fracast() -> Path:
    return next((PROJECT / ".cache" / "models" / "pypi").glob("fracast*/*/fracast/weights/model.safetensors"))


def test_inspect_answers_for_one_file(fracast: Path, tmp_path: Path) -> None:
    done = analysis("inspect", fracast, "--json", cache=tmp_path / "cache", results=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["bytes"] == fracast.stat().st_size
    assert sum(row["bytes"] for row in found["by_dtype_and_role"]) == found["bytes"]
    assert sum(row["share"] for row in found["by_dtype_and_role"]) == pytest.approx(1)
    assert {row["granularity"] for row in found["stores"]} == {"file", "layer", "chunk", "parameter", "identity"}
    assert not (tmp_path / "inspect").exists(), "a question leaves no study behind"


def test_inspect_lists_every_layer_when_asked(fracast: Path, tmp_path: Path) -> None:
    done = analysis("inspect", fracast, "--layers", cache=tmp_path / "cache", results=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") > 50
    assert "deduplication inside this model" in done.stdout
    assert done.stdout.splitlines()[1].startswith("nothing to gain: ")


def test_inspect_says_first_what_is_best(fracast: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("a", "b"):
        (tmp_path / "model" / f"{name}.safetensors").write_bytes(fracast.read_bytes())
    done = analysis("inspect", tmp_path / "model", cache=tmp_path / "cache", results=tmp_path)
    assert done.stdout.splitlines()[0].startswith("model: 2 files (safetensors)")
    assert done.stdout.splitlines()[1].startswith("best: file whole, 1.999")
    stores = json.loads(
        analysis("inspect", tmp_path / "model", "--json", cache=tmp_path / "cache", results=tmp_path).stdout
    )["stores"]
    ratios = [store["ratio"] for store in stores]
    assert ratios == sorted(ratios, reverse=True)


def test_inspect_of_a_damaged_file_says_so_and_ends_with_1(fracast: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(fracast.read_bytes()[:1000])
    done = analysis("inspect", damaged, cache=tmp_path / "cache", results=tmp_path)
    assert done.returncode == 1
    assert "not measured: damaged.safetensors" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "gone.safetensors"], "no such file or folder; for a Hub repository write hub:ORG/NAME"),
        (["inspect", ""], "'': no such file or folder"),
        (["inspect", "hub:a/b/c"], "hub:a/b/c: must be a Hub repository, 'org/name', not 'a/b/c'"),
        (["run", "gone"], "no such file, and no study of that name in configs/ (there are: authors, default"),
        (["init", "Default Study"], "a study's name is lower-case letters"),
        (["init", "default"], "exists already"),
        (["run"], "the following arguments are required: study"),
        (["run", "tiny", "--jobs", "0"], "must be at least 1"),
        (["rum", "tiny"], "invalid choice: 'rum'"),
    ],
)
def test_a_wrong_call_ends_with_2_and_one_line(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "analysis", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_plan_knows_sizes_before_anything_is_pulled(tmp_path: Path) -> None:
    done = analysis("plan", TINY, "--json", cache=tmp_path / "cache", results=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {model["state"] for model in found["models"]} == {"to download"}
    assert sum(model["bytes"] for model in found["models"]) == 32_647_077
    assert not (tmp_path / "cache").exists(), "planning makes nothing"


def test_plan_knows_what_is_done(tmp_path: Path) -> None:
    cache = scratch_cache(tmp_path / "cache")
    assert analysis("run", TINY, cache=cache, results=tmp_path).returncode == 0
    found = json.loads(analysis("plan", TINY, "--json", cache=cache, results=tmp_path).stdout)
    assert {model["state"] for model in found["models"]} == {"here"}
    assert all(model["units_done"] == model["units"] > 0 for model in found["models"])


def test_plan_of_a_hub_that_gives_no_answer_says_so_once(tmp_path: Path) -> None:
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    done = analysis("plan", "paper", "--json", cache=tmp_path / "cache", results=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert {(model["state"], model["bytes"]) for model in json.loads(done.stdout)["models"]} == {("?", None)}
    assert len(done.stderr.splitlines()) == 1
    assert "the Hub cannot be reached" in done.stderr


def test_plan_asks_the_hub_how_large_repositories_are(hub: LoopbackHub, tmp_path: Path) -> None:
    for name in "abc":
        hub.publish(f"org/planned-{name}", {"model.safetensors": b"12345678", "README.md": b"#"})
    study = tmp_path / "mine.yaml"
    entries = "".join(f"      - hub: org/planned-{name}\n" for name in "abcd")
    study.write_text(f"families:\n  - name: f\n    models:\n{entries}      - hub_cache: none/*\n")
    shown = analysis("plan", study, cache=tmp_path / "cache", results=tmp_path).stdout
    assert shown.count("to download") == 3
    assert "there is no such repository" in " ".join(shown.split())
    assert "none/*" in shown
    assert "5 models, 24 B, of which 2 entries unknown: their time and disk not counted" in shown


def test_plan_finds_what_was_derived_without_making_it(fracast: Path, tmp_path: Path) -> None:
    (tmp_path / "base.safetensors").write_bytes(fracast.read_bytes())
    study = tmp_path / "mine.yaml"
    entries = "[{path: base.safetensors}, {derive: {from: base.safetensors, cast: float16}}]"
    study.write_text(f"families: [{{name: f, models: {entries}}}]\n")

    def states() -> list[str]:
        done = analysis("plan", study, "--json", cache=tmp_path / "cache", results=tmp_path)
        return [model["state"] for model in json.loads(done.stdout)["models"]]

    assert states() == ["here", "to derive"]
    assert analysis("pull", study, cache=tmp_path / "cache", results=tmp_path).returncode == 0
    assert states() == ["here", "here"]


def test_compare_says_what_two_studies_have_in_common() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "analysis", "compare", "tiny", "default", "--json"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["models"] == {"in both": 6, "only in tiny": 0, "only in default": 14}
    assert {row["granularity"] for row in found["stores"]} >= {"file", "layer", "chunk", "parameter"}


def test_ls_names_studies_formats_and_measures() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "analysis", "ls", "--json"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert {study["study"] for study in found["studies"]} >= {"default", "tiny", "authors", "paper"}
    assert {study["study"]: study["models"] for study in found["studies"]}["tiny"] == 6
    assert {"safetensors", "onnx", "pytorch", "gguf"} <= set(found["formats"])
    assert {"hash_dedup", "similarity", "compression", "elves"} <= set(found["measures"])


def test_a_first_study_is_valid(tmp_path: Path) -> None:
    from analysis.config import load_study
    from analysis.listing import FIRST_STUDY

    study = tmp_path / "mine.yaml"
    study.write_text(FIRST_STUDY.format(name="mine"))
    assert [family.name for family in load_study(study).families] == ["my-models"]


def test_an_interrupted_run_says_so_in_one_line(tmp_path: Path) -> None:
    cache = scratch_cache(tmp_path / "cache")
    start = command("run", TINY, "--jobs", 1, cache=cache, results=tmp_path)
    running = subprocess.Popen(start, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    while running.poll() is None and not any((cache / "shards").glob("*/*/files.parquet")):
        pass
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted: what was finished is kept")
    assert "Traceback" not in said


def test_help_shows_every_default() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "analysis", "run", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert "(default: 2)" in done.stdout or "default:" in done.stdout


def test_results_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = analysis("run", TINY, cache=scratch_cache(tmp_path / "cache"), results=tmp_path / "file")
    assert done.returncode == 1
    assert "cannot be written to" in done.stderr.splitlines()[-1]
