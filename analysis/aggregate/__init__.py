"""From shards to tables: everything that needs all models of a study at once. Reads shards and the manifest only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from analysis.aggregate import (
    accuracy,
    composition,
    compression,
    deltas,
    elves,
    hash_dedup,
    inventory,
    parameters,
    relatives,
    resemblance,
    similarity,
    twins,
    values,
    waterfall,
)
from analysis.manifest import Manifest
from analysis.places import PROJECT
from analysis.provenance import versions
from analysis.shard_index import ShardIndex
from analysis.tables import TABLES, write_atomically, write_table
from elf.errors import ElfError

CODE = tuple(path for name in ("analysis", "elf") for path in sorted((PROJECT / name).rglob("*.py")))
"""What decides which tables the same shards lead to: any of it, to be safe; making the tables again is cheap."""

Frames = dict[str, pd.DataFrame]

TOPICS: tuple[Callable[[ShardIndex, Frames], Frames], ...] = (
    inventory.tables,
    parameters.tables,
    hash_dedup.tables,
    values.tables,
    compression.tables,
    similarity.tables,
    relatives.tables,
    deltas.tables,
    twins.tables,
    resemblance.tables,
    composition.tables,
    waterfall.tables,
    elves.tables,
    accuracy.tables,
)
"""Each gives the tables of its topic, from the shards and from the tables made before it. One more topic is one more
file here and one line."""


def aggregate(manifest: Manifest, shards: Path, folder: Path, memory: Path) -> bool:
    """Write all tables of a study into `folder`, unless the file `memory` says that they are there.

    Returns whether there was anything new to do.
    """
    source, made = _fingerprint(manifest), _digests(folder)
    if None not in made.values() and _read(memory) == {"aggregated": source, "tables": made}:
        return False
    built = _built(ShardIndex(manifest, shards))
    written = {TABLES[name].file: write_table(folder, TABLES[name], data) for name, data in built.items()}
    write_atomically(memory, json.dumps({"aggregated": source, "tables": written}).encode())
    return True


def _built(index: ShardIndex) -> Frames:
    try:
        return build(index)
    except (OSError, pa.ArrowInvalid, duckdb.Error) as error:
        said = " ".join(str(error).split())[:300]
        raise ElfError(
            f"{index.shards}: a shard there cannot be read ({said}); delete it and run the study again"
        ) from error


def build(index: ShardIndex) -> Frames:
    """All tables of a study; those of measures that it does not take are empty."""
    made: Frames = {}
    for topic in TOPICS:
        made |= topic(index, made)
    return made


def _fingerprint(manifest: Manifest) -> str:
    facts: list[object] = [
        *(hashlib.sha256(path.read_bytes()).hexdigest() for path in CODE),
        versions(),
        manifest.model_dump_json(),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _digests(folder: Path) -> dict[str, str | None]:
    return {table.file: _digest(folder / table.file) for table in TABLES.values()}


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _read(path: Path) -> object:
    return json.loads(path.read_bytes()) if path.exists() else None
