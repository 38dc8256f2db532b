"""Models from the Hub, by the real client, from a Hub of our own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub

from analysis.config import HubEntry, load_study
from analysis.sources import Pulled, SourceError, pull, pull_one, tree
from analysis.sources.base import Context
from analysis.sources.hub import expected, present
from analysis.sources.lock import Lock
from analysis.sources.sums import Sums

WEIGHTS = bytes(range(256)) * 40
FILES = {
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "onnx/model.onnx": WEIGHTS[::-1],
    "small.npy": b"plain git",
}


@pytest.fixture
def repo(hub: LoopbackHub, request: pytest.FixtureRequest) -> str:
    """A repository of this test alone, so that the client's cache knows nothing of it."""
    name = f"org/{re.sub(r'[^a-z_0-9]', '', request.node.name)[:80]}"
    hub.publish(name, FILES)
    return name


@pytest.fixture
def study(tmp_path: Path, repo: str) -> Path:
    return write_study(tmp_path, f"- hub: {repo}")


def write_study(folder: Path, *entries: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text("families:\n  - name: f\n    models:\n" + "".join(f"      {entry}\n" for entry in entries))
    return path


def pulled(study: Path) -> Pulled:
    return pull(load_study(study, {}), cache=study.parent / "cache")


def only_failure(study: Path) -> tuple[str, str]:
    """Kind and reason of the one failure that is all there is."""
    result = pulled(study)
    assert not result.models
    [failure] = result.failures
    assert "\n" not in failure.reason
    return failure.error, failure.reason


def test_only_files_that_hold_weights_are_downloaded(hub: LoopbackHub, study: Path) -> None:
    [model] = pulled(study).models
    assert {file.name: file.path.read_bytes() for file in model.files} == {
        name: FILES[name] for name in ("model.safetensors", "onnx/model.onnx", "small.npy")
    }
    assert not any("config.json" in request for request in hub.requests)


def test_the_model_says_where_it_is_from(hub: LoopbackHub, study: Path, repo: str) -> None:
    [model] = pulled(study).models
    commit = hub.repos[repo].branches["main"]
    assert (model.family, model.name, model.source, model.revision, model.derived) == (
        "f",
        repo,
        f"hub:{repo}",
        commit,
        False,
    )


def test_an_unpinned_entry_is_resolved_once_and_stays_there_when_the_branch_moves(
    hub: LoopbackHub, study: Path, repo: str
) -> None:
    [before] = pulled(study).models
    hub.publish(repo, {"model.safetensors": b"other weights"})
    [after] = pulled(study).models
    assert after == before
    assert f'"{repo}@main": "{before.revision}"' in (study.parent / "mine.lock.yaml").read_text()


def test_a_deleted_lock_is_resolved_anew(hub: LoopbackHub, study: Path, repo: str) -> None:
    pulled(study)
    moved = hub.publish(repo, {"model.safetensors": b"other weights"})
    (study.parent / "mine.lock.yaml").unlink()
    assert pulled(study).models[0].revision == moved


def test_branches_are_locked_apart(hub: LoopbackHub, repo: str, tmp_path: Path) -> None:
    other = hub.publish(repo, {"model.safetensors": b"other weights"}, branch="refs/pr/1")
    study = write_study(tmp_path, f"- hub: {repo}", f"- {{hub: {repo}, revision: refs/pr/1, name: pr}}")
    main, pr = pulled(study).models
    assert pr.revision == other != main.revision


def test_a_pinned_commit_needs_no_lock(hub: LoopbackHub, repo: str, tmp_path: Path) -> None:
    commit = hub.repos[repo].branches["main"]
    hub.publish(repo, {"model.safetensors": b"newer"})
    assert pulled(write_study(tmp_path, f"- {{hub: {repo}, revision: {commit}}}")).models[0].revision == commit
    assert not (tmp_path / "mine.lock.yaml").exists()


def test_the_second_pull_asks_nothing_of_the_network(hub: LoopbackHub, study: Path) -> None:
    first = pulled(study)
    hub.requests.clear()
    assert pulled(study) == first
    assert hub.requests == []


def test_offline_works_once_cached_and_says_what_to_do_before(hub: LoopbackHub, repo: str, study: Path) -> None:
    pulled(study)
    write_study(study.parent, f"- hub: {repo}", "- hub: org/never-seen")
    script = "import sys, json, pathlib, analysis.config as c, analysis.sources as s\n" + (
        "path = pathlib.Path(sys.argv[1])\n"
        "result = s.pull(c.load_study(path, {}), cache=path.parent / 'cache')\n"
        "print(json.dumps([[m.name for m in result.models], [f.reason for f in result.failures]]))\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}
    hub.requests.clear()
    done = subprocess.run(
        [sys.executable, "-c", script, str(study)], env=environment, capture_output=True, text=True, check=True
    )
    models, reasons = json.loads(done.stdout)
    assert models == [repo]
    assert reasons == ["org/never-seen: is not in the cache and HF_HUB_OFFLINE is set: unset it and pull once"]
    assert hub.requests == []


def test_a_tree_of_many_pages_is_read_whole(hub: LoopbackHub, repo: str, study: Path) -> None:
    shards = {f"model-{index:02d}.safetensors": bytes([index]) * 9 for index in range(7)}
    hub.publish(repo, shards)
    hub.faults.page_size = 2
    assert [file.name for file in pulled(study).models[0].files] == sorted(shards)
    assert tree(repo) == [(name, 9) for name in sorted(shards)]


@pytest.mark.parametrize("file", ["model.safetensors", "small.npy"])
def test_corruption_of_the_same_size_is_noticed_and_fetched_again(hub: LoopbackHub, study: Path, file: str) -> None:
    hub.faults.corrupt[file] = 1
    [model] = pulled(study).models
    assert next(each for each in model.files if each.name == file).path.read_bytes() == FILES[file]


def test_corruption_that_stays_is_a_failure_and_leaves_nothing_in_the_cache(hub: LoopbackHub, study: Path) -> None:
    hub.faults.corrupt["model.safetensors"] = 2
    result = pulled(study)
    assert result.models == ()
    assert [(each.file, each.error) for each in result.failures] == [("model.safetensors", "Corrupt")]
    assert pulled(study).models  # nothing bad was kept: the next pull is whole


def test_a_file_damaged_in_the_cache_is_fetched_again(study: Path) -> None:
    [model] = pulled(study).models
    blob = model.files[0].path.resolve()
    blob.write_bytes(b"x" * len(WEIGHTS))
    [again] = pulled(study).models
    assert again.files[0].path.read_bytes() == WEIGHTS


def test_a_dropped_connection_is_resumed_where_it_broke(hub: LoopbackHub, study: Path) -> None:
    hub.faults.drop["model.safetensors"] = 1
    assert pulled(study).models[0].files[0].path.read_bytes() == WEIGHTS


def test_a_truncated_file_is_a_failure(hub: LoopbackHub, study: Path) -> None:
    hub.faults.shorten["model.safetensors"] = 9
    kind, reason = only_failure(study)
    assert kind == "Truncated"
    assert reason.endswith("model.safetensors: came incomplete several times; pull again")


@pytest.mark.parametrize("call", ["GET /api", "/tree/", "HEAD /", "GET /large"])
def test_a_rate_limit_is_waited_out(hub: LoopbackHub, study: Path, call: str) -> None:
    hub.fail(call, 429, Retry_After="0")
    assert pulled(study).models


@pytest.mark.parametrize("call", ["GET /api", "/tree/", "HEAD /"])
def test_a_server_error_is_tried_again(hub: LoopbackHub, study: Path, call: str) -> None:
    hub.fail(call, 500, Retry_After="0")
    assert pulled(study).models


def test_a_lasting_rate_limit_says_wait(hub: LoopbackHub, study: Path, repo: str) -> None:
    hub.fail("GET /api", 429, times=99, RateLimit='"api";r=0;t=0')
    kind, reason = only_failure(study)
    assert kind == "RateLimited"
    assert reason.startswith(f"{repo}: the Hub limits the rate; wait some minutes and pull again, or log in")


def test_a_lasting_server_error_says_later(hub: LoopbackHub, study: Path, repo: str) -> None:
    hub.fail("GET /api", 503, times=99, Retry_After="0")
    assert only_failure(study) == ("HubFailed", f"{repo}: the Hub failed with status 503; pull again later")


def test_a_gated_repository_says_how_to_get_in(hub: LoopbackHub, study: Path, repo: str) -> None:
    hub.repos[repo].gated = True
    kind, reason = only_failure(study)
    assert kind == "GatedRepoError"
    assert "accept its terms" in reason
    assert "HF_TOKEN" in reason


def test_a_missing_repository_a_missing_revision_and_no_match_are_told_apart(repo: str, tmp_path: Path) -> None:
    study = write_study(
        tmp_path,
        "- hub: org/nothing",
        f"- {{hub: {repo}, revision: v9}}",
        f"- {{hub: {repo}, name: n, weights: ['*.gguf']}}",
    )
    kinds = {failure.model: (failure.error, failure.reason) for failure in pulled(study).failures}
    assert kinds["org/nothing"][0] == "RepositoryNotFoundError"
    assert kinds[repo] == (
        "RevisionNotFoundError",
        f"{repo}: has no revision 'v9'; leave `revision` out for the newest",
    )
    assert kinds["n"] == ("NothingMatches", f"{repo}: no file matches `weights`: *.gguf")


def test_headers_that_a_proxy_took_away_are_told(hub: LoopbackHub, study: Path) -> None:
    hub.faults.without_etag = True
    kind, reason = only_failure(study)
    assert kind == "FileMetadataError"
    assert "HF_ENDPOINT" in reason


def test_one_bad_model_never_stops_the_rest(repo: str, tmp_path: Path) -> None:
    result = pulled(write_study(tmp_path, "- hub: org/gone", f"- hub: {repo}", "- hub: org/gone-too"))
    assert [model.name for model in result.models] == [repo]
    assert [failure.model for failure in result.failures] == ["org/gone", "org/gone-too"]


def test_a_read_only_folder_keeps_its_lock_in_the_cache(hub: LoopbackHub, repo: str, tmp_path: Path) -> None:
    unwritable = Path(os.devnull) / "mine.yaml"  # nothing can be written there, by root neither
    study = replace(load_study(write_study(tmp_path, f"- hub: {repo}"), {}), path=unwritable)
    before = pull(study, cache=tmp_path)
    assert before.notes == (
        f"{os.devnull}/mine.lock.yaml cannot be written; the resolved commits are in {tmp_path}/locks/mine.lock.yaml",
    )
    hub.publish(repo, {"model.safetensors": b"other weights"})
    assert pull(study, cache=tmp_path).models == before.models


def test_a_damaged_lock_is_told_not_overwritten(study: Path) -> None:
    lock = study.parent / "mine.lock.yaml"
    lock.write_text("[no, lock\n")
    kind, reason = only_failure(study)
    assert kind == "BadLock"
    assert "repair the lock file or delete it" in reason
    assert lock.read_text() == "[no, lock\n"


def test_one_model_can_be_had_without_a_study(repo: str, tmp_path: Path) -> None:
    entry = HubEntry(hub=repo, weights=("*.onnx",))
    assert [file.name for file in pull_one(entry, cache=tmp_path).files] == ["onnx/model.onnx"]
    with pytest.raises(SourceError, match="no such repository"):
        pull_one(HubEntry(hub="org/nothing"), cache=tmp_path)


def test_what_a_pull_would_bring_is_known_without_downloading_or_locking(
    hub: LoopbackHub, repo: str, tmp_path: Path
) -> None:
    study = load_study(write_study(tmp_path, f"- hub: {repo}"), {})
    cache = tmp_path / "cache"
    context = Context(cache, Sums(cache / "verified.json"), Lock(study.path, cache))
    [entry] = study.families[0].models
    assert isinstance(entry, HubEntry)
    assert not present(entry, context)
    sizes = {file.name: file.bytes for file in expected(entry, context)}
    assert sizes == {name: len(content) for name, content in FILES.items() if name != "config.json"}
    assert not (tmp_path / "mine.lock.yaml").exists()
    assert not any("resolve" in request for request in hub.requests)
    pull(study, cache=cache)
    hub.requests.clear()
    assert present(entry, context)
    assert len(expected(entry, context)) == 3
    assert hub.requests == []
