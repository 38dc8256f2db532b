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

from elf.errors import ElfError

VALUES_OF = "values-"
"""What the name of a table of distinct values starts with; the dtype follows. Its one column is `value`, sorted."""


def shard_key(content: list[str], measure: str, version: int, params: dict[str, object], reader: str) -> str:
    """The key of a shard: 32 hexadecimal digits over content, measure, version, parameters and reader version."""
    facts = {"content": content, "measure": measure, "version": version, "params": params, "reader": reader}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def shard_path(shards: Path, key: str) -> Path:
    """The folder of a shard."""
    return shards / key[:2] / key


def is_done(shards: Path, key: str) -> bool:
    """Whether the shard is complete: it only ever gets its final name when it is."""
    return shard_path(shards, key).is_dir()


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
        for writer in self._writers.values():
            with contextlib.suppress(OSError):  # a full disk: the error that brought us here says so
                writer.close()
        try:
            if kind is None:
                self._commit()
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def _commit(self) -> None:
        for file in self._partial.iterdir():
            _sync(file)
        self._final.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._partial.rename(self._final)
        except OSError as error:
            if not self._final.is_dir():
                raise ElfError(f"{self._final}: shard cannot be written: {error.strerror}") from error


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Sorted 64-bit patterns are stored as differences: a quarter of their size."""
    encoding = {"value": "DELTA_BINARY_PACKED"} if path.name.startswith(VALUES_OF) else None
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False, column_encoding=encoding)


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def sweep_partials(shards: Path) -> None:
    """Remove what a killed run of this machine left half-written; other machines' work is not touched."""
    here = f"{socket.gethostname()}-"
    for folder in (shards / "partial").glob(f"{here}*"):
        pid = int(folder.name.removeprefix(here).split("-")[0])
        if not _alive(pid):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
