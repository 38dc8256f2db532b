"""A Hugging Face Hub on this machine: repositories in memory behind a real HTTP server, with faults on demand.

It answers the calls that `huggingface_hub` makes to resolve, list and download models, in the way the real Hub does:
pages of a tree, redirects of large files, ranges, error codes in headers.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".bin", ".pt", ".onnx")
"""Files that a repository keeps in large file storage."""


@dataclass
class Repo:
    """Commits with their files, and the commits that branches name."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False


@dataclass
class Fault:
    """An answer that replaces the right one to the next `times` requests whose line contains `part`."""

    part: str
    times: int
    status: int
    headers: dict[str, str]


@dataclass
class Faults:
    """What is wrong with the server; the numbers count down to nothing."""

    page_size: int = 1000
    answers: list[Fault] = field(default_factory=list)
    drop: dict[str, int] = field(default_factory=dict)
    shorten: dict[str, int] = field(default_factory=dict)
    corrupt: dict[str, int] = field(default_factory=dict)
    without_etag: bool = False

    def take(self, kind: dict[str, int], name: str) -> bool:
        """Whether this fault strikes now."""
        kind[name] = kind.get(name, 0) - 1
        return kind[name] >= 0


class LoopbackHub:
    """The server and what it holds. `requests` lists what was asked, as `METHOD /path`."""

    def __init__(self) -> None:
        self.reset()
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) for _ in range(2)]
        # Large files are on another host, as they are for the real Hub: the client treats such redirects apart.
        self.url, self.storage = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)
        for server in self._servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def reset(self) -> None:
        """An empty hub that works."""
        self.repos: dict[str, Repo] = {}
        self.faults = Faults()
        self.requests: list[str] = []

    def close(self) -> None:
        """Stop answering."""
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def publish(self, name: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Commit `files` as all there is on a branch. Returns the commit."""
        repo = self.repos.setdefault(name, Repo())
        content = repr((name, len(repo.commits), sorted(files.items()))).encode()
        commit = hashlib.sha1(content).hexdigest()
        repo.commits[commit] = files
        repo.branches[branch] = commit
        return commit

    def fail(self, part: str, status: int, times: int = 1, **headers: str) -> None:
        """Answer the next requests that contain `part` with a status."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.faults.answers.append(Fault(part, times, status, named))


def git_blob(content: bytes) -> str:
    """The id that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    """The id that large file storage gives a file."""
    return hashlib.sha256(content).hexdigest()


def _handler(hub: LoopbackHub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.hub = hub
    return Handler


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: tests read `requests`."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        line = f"{self.command} {self.path}"
        self.hub.requests.append(line)
        for fault in self.hub.faults.answers:
            if fault.part in line and fault.times > 0:
                fault.times -= 1
                self._send(fault.status, b"", fault.headers)
                return
        parts = urlsplit(self.path)
        segments = [unquote(part) for part in parts.path.strip("/").split("/")]
        match segments:
            case ["api", "models", org, name]:
                self._info(f"{org}/{name}", "main")
            case ["api", "models", org, name, "revision", revision]:
                self._info(f"{org}/{name}", revision)
            case ["api", "models", org, name, "tree", revision]:
                self._tree(f"{org}/{name}", revision, parse_qs(parts.query))
            case [org, name, "resolve", revision, *file]:
                self._resolve(f"{org}/{name}", revision, "/".join(file))
            case ["large", org, name, commit, *file]:
                files = self.hub.repos[f"{org}/{name}"].commits[commit]
                self._content(files["/".join(file)], "/".join(file), {})
            case _:
                self._refuse(404, "EntryNotFound")

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: object, headers: dict[str, str]) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": f"{code} (loopback)"})

    def _commit(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit and its files, or None when an error was sent instead."""
        repo = self.hub.repos.get(name)
        if repo is None:
            self._refuse(401, "RepoNotFound")
            return None
        commit = repo.branches.get(revision, revision)
        if commit not in repo.commits:
            self._refuse(404, "RevisionNotFound")
            return None
        return commit, repo.commits[commit]

    def _info(self, name: str, revision: str) -> None:
        if found := self._commit(name, revision):
            siblings = [{"rfilename": file} for file in found[1]]
            gated = "manual" if self.hub.repos[name].gated else False
            info = {"id": name, "sha": found[0], "siblings": siblings, "gated": gated, "private": False, "tags": []}
            self._json(info, {})

    def _tree(self, name: str, revision: str, query: dict[str, list[str]]) -> None:
        if not (found := self._commit(name, revision)):
            return
        folders = {file.rpartition("/")[0] for file in found[1]} - {""}
        items: list[object] = [{"type": "directory", "path": folder, "oid": "0" * 40} for folder in sorted(folders)]
        items += [_tree_item(file, content) for file, content in sorted(found[1].items())]
        size, page = self.hub.faults.page_size, int(query.get("page", ["0"])[0])
        headers = {}
        if (page + 1) * size < len(items):
            path = urlsplit(self.path).path
            headers["Link"] = f'<{self.hub.url}{path}?recursive=true&page={page + 1}>; rel="next"'
        self._json(items[page * size : (page + 1) * size], headers)

    def _resolve(self, name: str, revision: str, file: str) -> None:
        if not (found := self._commit(name, revision)):
            return
        commit, files = found
        if self.hub.repos[name].gated:
            self._refuse(403, "GatedRepo")
        elif file not in files:
            self._refuse(404, "EntryNotFound")
        elif file.endswith(LARGE):
            content = files[file]
            headers = {"Location": f"{self.hub.storage}/large/{name}/{commit}/{file}", "X-Repo-Commit": commit}
            headers |= {"X-Linked-Size": str(len(content)), **self._etag("X-Linked-Etag", sha256(content))}
            self._send(302, b"", headers)
        else:
            headers = {"X-Repo-Commit": commit, **self._etag("ETag", git_blob(files[file]))}
            self._content(files[file], file, headers)

    def _etag(self, header: str, value: str) -> dict[str, str]:
        return {} if self.hub.faults.without_etag else {header: f'"{value}"'}

    def _content(self, content: bytes, file: str, headers: dict[str, str]) -> None:
        faults, total = self.hub.faults, len(content)
        start = int(match[1]) if (match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        if start:
            headers = {**headers, "Content-Range": f"bytes {start}-{total - 1}/{total}"}
        if self.command == "GET" and faults.take(faults.corrupt, file):
            content = bytes([content[0] ^ 1]) + content[1:]
        if self.command == "GET" and faults.take(faults.shorten, file):
            content = content[: total // 2]
        status, body = (206 if start else 200), content[start:]
        if self.command == "GET" and faults.take(faults.drop, file):
            self._drop(status, body, headers)
        else:
            self._send(status, body, headers)

    def _drop(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Promise the whole body, send half of it, and hang up."""
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


def _tree_item(file: str, content: bytes) -> dict[str, object]:
    item: dict[str, object] = {"type": "file", "path": file, "size": len(content), "oid": git_blob(content)}
    if file.endswith(LARGE):
        item["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
    return item
