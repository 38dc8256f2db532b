"""Models that the user's Hugging Face cache already holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants
from loopback_hub import LoopbackHub
from wheels import write_study

from analysis.config import load_study
from analysis.sources import Pulled, pull


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone; the client asks for its place on every call."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


def pulled(folder: Path, *entries: str) -> Pulled:
    return pull(load_study(write_study(folder, *entries), {}), cache=folder / "cache")


@pytest.fixture
def filled(hub: LoopbackHub, hub_cache: Path, tmp_path: Path) -> dict[str, str]:
    """Two revisions of one repository and one of another in the cache, by the real client: their commits."""
    commits = {
        "old": hub.publish("meta/llama", {"a/model.bin": b"same", "config.json": b"{}"}, branch="old"),
        "new": hub.publish("meta/llama", {"a/model.bin": b"same", "b.bin": b"new"}),
        "other": hub.publish("other/llama", {"model.bin": b"other"}),
    }
    lines = ["{hub: meta/llama, revision: old, name: old}", "hub: meta/llama", "hub: other/llama"]
    assert not pulled(tmp_path, *lines).failures
    assert hub_cache.is_dir()
    return commits


def test_every_cached_revision_that_matches_is_one_model(
    filled: dict[str, str], hub: LoopbackHub, tmp_path: Path
) -> None:
    hub.requests.clear()
    models = pulled(tmp_path, "hub_cache: meta/*").models
    wanted = sorted((f"meta/llama@{filled[branch][:12]}", filled[branch]) for branch in ("old", "new"))
    assert [(model.name, model.revision) for model in models] == wanted
    files = {model.revision: [file.name for file in model.files] for model in models}
    assert files == {filled["old"]: ["a/model.bin"], filled["new"]: ["a/model.bin", "b.bin"]}
    assert {(model.source, model.task, model.derived) for model in models} == {("hub_cache:meta/llama", "t", False)}
    assert hub.requests == []


def test_files_that_revisions_share_are_one_file_on_disk(filled: dict[str, str], tmp_path: Path) -> None:
    models = {model.revision: model for model in pulled(tmp_path, "hub_cache: '*'").models}
    assert len(models) == 3
    old, new = models[filled["old"]].files[0].path, models[filled["new"]].files[0].path
    assert old.samefile(new)
    assert old.read_bytes() == b"same"


def test_a_revision_without_weights_is_left_out_and_said(filled: dict[str, str], tmp_path: Path) -> None:
    result = pulled(tmp_path, "{hub_cache: meta/llama, weights: [b.bin]}")
    assert [model.revision for model in result.models] == [filled["new"]]
    assert result.notes == (f"meta/llama@{filled['old'][:12]}: no file in the cache matches `weights`; left out",)


def test_two_patterns_do_not_count_a_model_twice(filled: dict[str, str], tmp_path: Path) -> None:
    result = pulled(tmp_path, "hub_cache: other/*", "hub_cache: '*'")
    assert len(result.models) == 3
    assert [(failure.model, failure.error) for failure in result.failures] == [
        (f"other/llama@{filled['other'][:12]}", "Duplicate")
    ]


@pytest.mark.usefixtures("filled")
def test_no_match_says_how_many_models_there_are(tmp_path: Path) -> None:
    [failure] = pulled(tmp_path, "hub_cache: google/*").failures
    assert (failure.model, failure.error) == ("google/*", "NothingMatches")
    assert failure.reason == "google/*: none of the 2 models in the cache matches"


def test_no_cache_says_where_it_was_looked_for(hub_cache: Path, tmp_path: Path) -> None:
    [failure] = pulled(tmp_path, "hub_cache: '*'").failures
    assert failure.error == "CacheNotFound"
    assert failure.reason == f"there is no Hugging Face cache at {hub_cache}; set HF_HUB_CACHE to where it is"


def test_a_damaged_repository_in_the_cache_is_said_and_the_rest_measured(
    filled: dict[str, str], hub_cache: Path, tmp_path: Path
) -> None:
    (hub_cache / "models--broken--one").mkdir()
    result = pulled(tmp_path, "hub_cache: other/*")
    assert [model.revision for model in result.models] == [filled["other"]]
    assert "broken" in result.notes[0]
