"""From shards to tables: everything that needs all models of a study at once. Reads shards and the manifest only."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from analysis.aggregate import hash_dedup, inventory, parameters
from analysis.aggregate.shard_index import ShardIndex
from analysis.manifest import Manifest
from analysis.provenance import versions
from analysis.tables import TABLES, write_atomically, write_table

VERSION = 1
"""Raised when the same shards lead to other tables."""


def aggregate(manifest: Manifest, shards: Path, folder: Path, memory: Path) -> bool:
    """Write all tables of a study into `folder`, unless the file `memory` says that they are there.

    Returns whether there was anything new to do.
    """
    source, made = _fingerprint(manifest), _digests(folder)
    if None not in made.values() and _read(memory) == {"aggregated": source, "tables": made}:
        return False
    for name, data in build(ShardIndex(manifest, shards)).items():
        write_table(folder, TABLES[name], data)
    write_atomically(memory, json.dumps({"aggregated": source, "tables": _digests(folder)}).encode())
    return True


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
        "hash_dedup": pd.concat([store for store in stores if len(store)]),
        "shared_bytes": shared,
        "duplicates": hash_dedup.duplicates(index),
        "parameters": values,
        "failures": inventory.failures(index),
    }


def _fingerprint(manifest: Manifest) -> str:
    facts = [
        VERSION,
        versions()["duckdb"],
        versions()["pandas"],
        manifest.model_dump_json(exclude={"models": {"__all__": {"files": {"__all__": {"path"}}}}}),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _digests(folder: Path) -> dict[str, str | None]:
    return {table.file: _digest(folder / table.file) for table in TABLES.values()}


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _read(path: Path) -> object:
    return json.loads(path.read_bytes()) if path.exists() else None
