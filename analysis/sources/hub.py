"""Models on the Hugging Face Hub: pinned to a commit, kept in the library's own cache, verified against the tree."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.config import Family, HubEntry
from analysis.config.entries import Entry
from analysis.sources.base import Context, Found, Model, WeightFile, in_order
from analysis.sources.errors import SourceError
from analysis.sources.patterns import matches
from analysis.sources.sums import Sums
from analysis.tables import write_atomically

if TYPE_CHECKING:
    from analysis.sources.hub_client import RemoteFile

_COMMIT = re.compile(r"[0-9a-f]{40}")


def pull_hub(entry: Entry, family: Family, context: Context) -> Found:
    """The model of a `hub:` entry. Raises SourceError when any of its files cannot be had as the Hub describes it."""
    assert isinstance(entry, HubEntry)
    commit = _commit(entry, context)
    wanted = [file for file in _listing(entry.hub, commit, context.cache) if matches(file.name, entry.weights)]
    if not wanted:
        raise SourceError("NothingMatches", f"{entry.hub}: no file matches `weights`: {', '.join(entry.weights)}")
    files = [WeightFile(file.name, _verified(entry.hub, commit, file, context.sums), file.bytes) for file in wanted]
    task = entry.task or family.task
    return Found([Model(family.name, entry.label, f"hub:{entry.hub}", commit, task, False, in_order(files))])


def tree(repo: str, revision: str | None = None) -> list[tuple[str, int]]:
    """Names and bytes of a repository's files, nothing downloaded. Raises SourceError."""
    from analysis.sources import hub_client

    return [(file.name, file.bytes) for file in hub_client.tree(repo, revision or "main")]


def expected(entry: HubEntry, context: Context) -> list[RemoteFile]:
    """The files that pulling an entry would bring; nothing is downloaded or locked. Raises SourceError."""
    from analysis.sources import hub_client

    commit = _known_commit(entry, context)
    files = (
        _listing(entry.hub, commit, context.cache) if commit else hub_client.tree(entry.hub, entry.revision or "main")
    )
    return [file for file in files if matches(file.name, entry.weights)]


def present(entry: HubEntry, context: Context) -> bool:
    """Whether the model is here, so that pulling it needs no network."""
    from analysis.sources import hub_client

    commit = _known_commit(entry, context)
    if commit is None or not _memory(entry.hub, commit, context.cache).exists():
        return False
    return all(hub_client.is_cached(entry.hub, commit, file.name) for file in expected(entry, context))


def _commit(entry: HubEntry, context: Context) -> str:
    return _known_commit(entry, context) or _resolve(entry, _key(entry), context)


def _known_commit(entry: HubEntry, context: Context) -> str | None:
    if entry.revision and _COMMIT.fullmatch(entry.revision):
        return entry.revision
    return context.lock.get(_key(entry))


def _key(entry: HubEntry) -> str:
    return f"{entry.hub}@{entry.revision or 'main'}"


def _resolve(entry: HubEntry, key: str, context: Context) -> str:
    from analysis.sources import hub_client

    commit = hub_client.resolve(entry.hub, entry.revision)
    written = context.lock.put(key, commit)
    if written != context.lock.beside:
        context.note(f"{context.lock.beside} cannot be written; the resolved commits are in {written}")
    return commit


def _listing(repo: str, commit: str, cache: Path) -> list[RemoteFile]:
    """The repository's files at a commit; asked for once, as a commit never changes."""
    from analysis.sources import hub_client

    memory = _memory(repo, commit, cache)
    try:
        return [hub_client.RemoteFile(**file) for file in json.loads(memory.read_bytes())]
    except (OSError, ValueError, TypeError):
        files = hub_client.tree(repo, commit)
    memory.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(memory, json.dumps([asdict(file) for file in files], indent=1).encode())
    return files


def _memory(repo: str, commit: str, cache: Path) -> Path:
    return cache / "models" / "hub" / repo.replace("/", "--") / f"{commit}.json"


def _verified(repo: str, commit: str, file: RemoteFile, sums: Sums) -> Path:
    """The file on disk with the content that the tree promises; what came damaged is removed and fetched once more."""
    from analysis.sources import hub_client

    for _ in range(2):
        path = hub_client.download(repo, commit, file.name)
        if path.stat().st_size == file.bytes and _sum_matches(path, file, sums):
            return path
        sums.forget(path)
        hub_client.remove(path)
    reason = f"{repo}: {file.name} came damaged twice: its content is not what the Hub's tree promises; pull again"
    raise SourceError("Corrupt", reason, file.name)


def _sum_matches(path: Path, file: RemoteFile, sums: Sums) -> bool:
    return sums.sha256(path) == file.sha256 if file.sha256 else sums.git_blob(path) == file.git_blob
