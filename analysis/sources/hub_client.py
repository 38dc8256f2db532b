"""The few calls to `huggingface_hub` that pulling needs; every error becomes one line that says what to do."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError: of the HTTP library it is built on
    DisabledRepoError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import logging as hub_logging

from analysis.sources.base import describe
from analysis.sources.errors import SourceError, UnreachableError

if "HF_HUB_VERBOSITY" not in os.environ:
    hub_logging.set_verbosity(logging.ERROR)  # no warning at every new try: what comes of it is said once

T = TypeVar("T")

TRIES = 4
LONGEST_PAUSE = 300
"""Seconds: the Hub counts requests in windows of five minutes."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository at one commit: large ones have a sha256, small ones the id of a git blob."""

    name: str
    bytes: int
    git_blob: str
    sha256: str | None


def resolve(repo: str, revision: str | None) -> str:
    """The commit, 40 hexadecimal digits, that a branch or tag names now. Raises SourceError."""
    with _explained(repo, revision):
        commit = _patiently(lambda: HfApi().model_info(repo, revision=revision).sha)
    if not commit:
        raise SourceError("NoCommit", f"{repo}: the Hub named no commit; pin `revision`")
    return commit


def tree(repo: str, revision: str) -> list[RemoteFile]:
    """Every file of a repository at a revision, by name. Raises SourceError."""
    with _explained(repo, revision):
        items = _patiently(lambda: list(HfApi().list_repo_tree(repo, revision=revision, recursive=True)))
    files = [
        RemoteFile(item.path, item.size, item.blob_id, item.lfs.sha256 if item.lfs else None)
        for item in items
        if isinstance(item, RepoFile)
    ]
    return sorted(files, key=lambda file: file.name)


def _patiently(ask: Callable[[], T]) -> T:
    """Ask again when the Hub is busy, as long as it wants: the library does that for files, not for what it lists."""
    for tried in range(TRIES - 1):
        try:
            return ask()
        except HfHubHTTPError as error:
            if error.response.status_code not in (429, 500, 502, 503, 504):
                raise
            time.sleep(min(_wanted_pause(error.response.headers, 2**tried), LONGEST_PAUSE))
        except RuntimeError as error:
            if not _is_closed(error):
                raise
    return ask()


def _is_closed(error: RuntimeError) -> bool:
    """When one thread's connection breaks, the library closes all threads' client; the next call gets a new one."""
    return "client has been closed" in str(error)


def _wanted_pause(headers: Mapping[str, str], otherwise: int) -> int:
    """Seconds to wait, from `Retry-After: 5` or from `RateLimit: "api";r=0;t=55`."""
    wanted = re.fullmatch(r"(\d{1,6})", headers.get("Retry-After", "")) or re.search(
        r"\bt=(\d{1,6})", headers.get("RateLimit", "")
    )
    return int(wanted[1]) if wanted else otherwise


def download(repo: str, commit: str, name: str) -> Path:
    """The file in the library's cache; without any request when it is there already. Raises SourceError."""
    with _explained(repo, commit, name):
        return Path(hf_hub_download(repo, name, revision=commit))


def is_cached(repo: str, commit: str, name: str) -> bool:
    """Whether the library's cache holds the file."""
    return isinstance(try_to_load_from_cache(repo, name, revision=commit), str)


def remove(path: Path) -> None:
    """Take a damaged file out of the library's cache: the link of its snapshot and what it points to."""
    blob = path.resolve()
    path.unlink(missing_ok=True)
    blob.unlink(missing_ok=True)


@contextmanager
def _explained(repo: str, revision: str | None, file: str = "") -> Iterator[None]:
    what = f"{repo}: {file}" if file else repo
    try:
        yield
    except LocalEntryNotFoundError as error:  # the library could not ask; why is its cause
        cause = error.__cause__
        raise _reason(cause if isinstance(cause, Exception) else error, what, revision, file) from error
    except (HTTPError, OSError, OfflineModeIsEnabled) as error:
        raise _reason(error, what, revision, file) from error
    except RuntimeError as error:
        if not _is_closed(error):
            raise
        raise UnreachableError("ConnectionLost", f"{what}: the connection to the Hub broke; try again", file) from error


_LOGIN = "log in with `hf auth login` or set HF_TOKEN"


def _reason(error: Exception, what: str, revision: str | None, file: str) -> SourceError:
    kind = type(error).__name__
    for known, line in (
        (GatedRepoError, f"is gated: accept its terms on its page on the Hub, then {_LOGIN}"),
        (RepositoryNotFoundError, f"there is no such repository, or it is private: check the name, or {_LOGIN}"),
        (RevisionNotFoundError, f"has no revision {revision!r}; leave `revision` out for the newest"),
        (RemoteEntryNotFoundError, f"is not there at revision {revision!r}"),
        (DisabledRepoError, "was disabled by the Hub"),
        (FileMetadataError, "the server left out the headers that pin a file; check HF_ENDPOINT and the proxy"),
    ):
        if isinstance(error, known):
            return SourceError(kind, f"{what}: {line}", file)
    for silent, line in (
        (OfflineModeIsEnabled, "is not in the cache and HF_HUB_OFFLINE is set: unset it and pull once"),
        (LocalEntryNotFoundError, "is not in the cache and the Hub cannot be reached: pull once with the network"),
    ):
        if isinstance(error, silent):
            return UnreachableError(kind, f"{what}: {line}", file)
    if isinstance(error, HfHubHTTPError):
        return SourceError(*_http(error, what), file)
    if isinstance(error, HTTPError):
        reason = f"{what}: the Hub cannot be reached ({error or kind}); check network, proxy and HF_ENDPOINT"
        return UnreachableError(kind, reason, file)
    if "Consistency check failed" in str(error):
        return SourceError("Truncated", f"{what}: came incomplete several times; pull again", file)
    assert isinstance(error, OSError)
    return SourceError(kind, describe(error, what), file)


def _http(error: HfHubHTTPError, what: str) -> tuple[str, str]:
    status = error.response.status_code
    if status == 429:
        return "RateLimited", f"{what}: the Hub limits the rate; wait some minutes and pull again, or {_LOGIN}"
    if status >= 500:
        return "HubFailed", f"{what}: the Hub failed with status {status}; pull again later"
    return type(error).__name__, f"{what}: the Hub answered with status {status}: {' '.join(str(error).split())[:200]}"
