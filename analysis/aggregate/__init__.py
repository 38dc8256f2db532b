"""From shards to tables: everything that needs all models of a study at once. Reads shards and the manifest only."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from analysis import tables as spec
from analysis.aggregate import hash_dedup, inventory, parameters
from analysis.aggregate.shard_index import ShardIndex
from analysis.manifest import Manifest
from analysis.provenance import versions
from analysis.tables import TABLES, write_atomically, write_table
from elf.errors import ElfError

CODE = (*sorted(Path(__file__).parent.glob("*.py")), Path(spec.__file__))
"""What decides which tables the same shards lead to."""


def aggregate(manifest: Manifest, shards: Path, folder: Path, memory: Path) -> bool:
    """Write all tables of a study into `folder`, unless the file `memory` says that they are there.

    Returns whether there was anything new to do.
    """
    source, made = _fingerprint(manifest), _digests(folder)
    if None not in made.values() and _read(memory) == {"aggregated": source, "tables": made}:
        return False
    tables = _built(ShardIndex(manifest, shards))
    written = {TABLES[name].file: write_table(folder, TABLES[name], data) for name, data in tables.items()}
    write_atomically(memory, json.dumps({"aggregated": source, "tables": written}).encode())
    return True


def _built(index: ShardIndex) -> dict[str, pd.DataFrame]:
    try:
        return build(index)
    except (OSError, pa.ArrowInvalid, duckdb.Error) as error:
        said = " ".join(str(error).split())[:300]
        raise ElfError(
            f"{index.shards}: a shard there cannot be read ({said}); delete it and run the study again"
        ) from error


def build(index: ShardIndex) -> dict[str, pd.DataFrame]:
    """All tables of a study."""
    study, version = index.manifest.study, index.manifest.measures[hash_dedup.MEASURE]
    layers = inventory.layers(index)
    models = inventory.models(index, layers)
    values = parameters.parameters(index, layers)
    units, shared = hash_dedup.dedup(index)
    stores = [
        units,
        parameters.stores(values, layers.merge(models[["model", "derived"]]), study),
        inventory.remainder(models, study, version),
    ]
    return {
        "models": models,
        "layers": layers,
        "hash_dedup": pd.concat(full) if (full := [store for store in stores if len(store)]) else stores[-1],
        "shared_bytes": shared,
        "duplicates": hash_dedup.duplicates(index),
        "parameters": values,
        "failures": inventory.failures(index),
    }


def _fingerprint(manifest: Manifest) -> str:
    facts = [
        *(hashlib.sha256(path.read_bytes()).hexdigest() for path in CODE),
        versions()["duckdb"],
        versions()["pandas"],
        manifest.model_dump_json(),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _digests(folder: Path) -> dict[str, str | None]:
    return {table.file: _digest(folder / table.file) for table in TABLES.values()}


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _read(path: Path) -> object:
    return json.loads(path.read_bytes()) if path.exists() else None
