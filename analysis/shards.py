"""Shards: what one measure found in one file, as Parquet tables in a folder; a shard that exists is done.

A shard's key is a digest of everything its content depends on, so an edited file, a changed parameter or an upgraded
library leads to another key and never serves a stale result. Writing is idempotent: two workers that measure the same
unit make the same shard, and the second one to finish leaves the first one's in place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import uuid
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

VALUES_OF = "values-"
"""What the name of a table of distinct values starts with; the dtype follows. Its one column is `value`, sorted."""


LIST = "tables.json"
"""In each shard: its tables and their bytes, written last."""


def shard_key(content: list[list[str]], measure: str, version: int, params: dict[str, object], reader: str) -> str:
    """The key of a shard: 32 hexadecimal digits over content, measure, version, parameters and reader version.

    `content` are the names and digests of the parts of each file.
    """
    facts = {"content": content, "measure": measure, "version": version, "params": params, "reader": reader}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def shard_path(shards: Path, key: str) -> Path:
    """The folder of a shard."""
    return shards / key[:2] / key


def is_done(shards: Path, key: str) -> bool:
    """Whether the shard is complete: it is listed, and every table it lists is there with its size."""
    return tables_of(shard_path(shards, key)) is not None


def tables_of(shard: Path) -> set[str] | None:
    """The tables of a complete shard; None when it is missing, or a table of it is."""
    try:
        listed: dict[str, int] = json.loads((shard / LIST).read_bytes())
        intact = all((shard / f"{table}.parquet").stat().st_size == size for table, size in listed.items())
    except (OSError, ValueError, AttributeError):
        return None
    return set(listed) if intact else None


class ShardWriter:
    """Writes one shard: `emit(table, rows)` any number of times, then the folder gets its final name on clean exit."""

    def __init__(self, shards: Path, key: str) -> None:
        self._final = shard_path(shards, key)
        self._partial = shards / "partial" / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"
        self._writers: dict[str, pq.ParquetWriter] = {}

    def emit(self, table: str, rows: pa.Table) -> None:
        """Append rows to one of the shard's tables."""
        if table not in self._writers:
            self._writers[table] = _writer(self._partial / f"{table}.parquet", rows.schema)
        self._writers[table].write_table(rows)

    def __enter__(self) -> ShardWriter:
        self._partial.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            for writer in self._writers.values():
                with contextlib.suppress(OSError):  # it goes away with the folder
                    writer.close()
            shutil.rmtree(self._partial, ignore_errors=True)

    def _commit(self) -> None:
        """Raises OSError when the disk is full: closing writes what makes a table readable."""
        sizes = {}
        for table, writer in self._writers.items():
            writer.close()
            sizes[table] = _sync(self._partial / f"{table}.parquet")
        (self._partial / LIST).write_text(json.dumps(sizes))
        _sync(self._partial / LIST)
        self._final.parent.mkdir(parents=True, exist_ok=True)
        if tables_of(self._final) is None:
            shutil.rmtree(self._final, ignore_errors=True)  # a shard that was damaged
        try:
            self._partial.rename(self._final)
        except OSError:
            if tables_of(self._final) is None:
                raise


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Sorted 64-bit patterns are stored as differences: a quarter of their size."""
    encoding = {"value": "DELTA_BINARY_PACKED"} if path.name.startswith(VALUES_OF) else None
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False, column_encoding=encoding)


def _sync(path: Path) -> int:
    """Bring a file to the disk; its bytes."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return path.stat().st_size


def sweep_partials(shards: Path) -> None:
    """Remove what a killed run of this machine left half-written; other machines' work is not touched."""
    for folder in (shards / "partial").glob("*-*-*"):
        host, pid, _ = folder.name.rsplit("-", 2)
        if host == socket.gethostname() and pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    """Whether the process runs; one that ended but was not yet waited for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (OSError, IndexError):  # another user's process, or no Linux
        return True
