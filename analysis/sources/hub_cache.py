"""Models that the user's Hugging Face cache already holds: every cached revision that matches is one model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from analysis.config import Family, HubCacheEntry
from analysis.config.entries import Entry
from analysis.sources.base import Context, Found, Model, WeightFile, in_order
from analysis.sources.errors import SourceError
from analysis.sources.patterns import matches

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo, CachedRevisionInfo, HFCacheInfo


def pull_hub_cache(entry: Entry, family: Family, context: Context) -> Found:
    """The models of a `hub_cache:` entry, by repository and commit; the files stay where they are.

    Raises SourceError when there is no cache, or nothing in it that matches.
    """
    assert isinstance(entry, HubCacheEntry)
    found = Found()
    cache = _scan()
    for warning in cache.warnings:
        context.note(f"Hugging Face cache: {' '.join(str(warning).split())}")
    for repo, revision in _chosen(cache, entry.hub_cache):
        name = f"{repo.repo_id}@{revision.commit_hash[:12]}"
        files = _files(revision, entry.weights)
        if not files:
            context.note(f"{name}: no file in the cache matches `weights`; left out")
            continue
        task, source = entry.task or family.task, f"hub_cache:{repo.repo_id}"
        found.models.append(Model(family.name, name, source, revision.commit_hash, task, False, files))
    if not found.models:
        repos = sum(repo.repo_type == "model" for repo in cache.repos)
        raise SourceError("NothingMatches", f"{entry.hub_cache}: none of the {repos} models in the cache matches")
    return found


def _scan() -> HFCacheInfo:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound as error:
        reason = f"there is no Hugging Face cache at {error.cache_dir}; set HF_HUB_CACHE to where it is"
        raise SourceError("CacheNotFound", reason) from error


def _chosen(cache: HFCacheInfo, pattern: str) -> Iterator[tuple[CachedRepoInfo, CachedRevisionInfo]]:
    for repo in sorted(cache.repos, key=lambda repo: repo.repo_id):
        if repo.repo_type == "model" and matches(repo.repo_id, [pattern]):
            for revision in sorted(repo.revisions, key=lambda revision: revision.commit_hash):
                yield repo, revision


def _files(revision: CachedRevisionInfo, weights: tuple[str, ...]) -> tuple[WeightFile, ...]:
    named = {file.file_path.relative_to(revision.snapshot_path).as_posix(): file for file in revision.files}
    return in_order(
        WeightFile(name, file.file_path, file.size_on_disk) for name, file in named.items() if matches(name, weights)
    )
