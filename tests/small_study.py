"""A study of a few small files, measured in this process: for tests of what looks at several files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from analysis.manifest import FileEntry, GroupEntry, Manifest, ModelEntry
from analysis.measure import GroupMeasure, Measure
from analysis.measures import MEASURES
from analysis.shard_index import ShardIndex
from analysis.shards import ShardWriter
from elf.formats import open_model

Tensors = Mapping[str, np.ndarray]
Models = Mapping[str, Mapping[str, Tensors]]
"""For each model, as FAMILY/MODEL, its files."""


def measured(
    folder: Path, models: Models, params: Mapping[str, Any], derived: frozenset[str] = frozenset()
) -> ShardIndex:
    """Write the models, measure each file by the file measures that `params` names, then pairs by its group measures.

    `params` holds the parameters of each measure by its name.
    """
    entries = [_model(folder, name, files, params, derived) for name, files in models.items()]
    versions = {name: MEASURES[name].version for name in params}
    first = Manifest(study="small", measures=versions, models=tuple(entries), failures=())
    groups = _groups(folder, ShardIndex(first, folder / "shards"), params)
    return ShardIndex(first.model_copy(update={"groups": groups}), folder / "shards")


def _path(folder: Path, model: str, file: str) -> Path:
    return folder / f"{model}-{file}.safetensors"


def _model(
    folder: Path, name: str, files: Mapping[str, Tensors], params: Mapping[str, Any], derived: frozenset[str]
) -> ModelEntry:
    family, _, model = name.partition("/")
    found = []
    for file, tensors in files.items():
        path = _path(folder, model, file)
        save_file(dict(tensors), path)
        shards = {}
        for measure in (MEASURES[name] for name in params):
            if isinstance(measure, Measure):
                shards[measure.name] = key = f"{measure.name}{model}{file}".ljust(32, "0")
                with open_model(path) as opened, ShardWriter(folder / "shards", key) as shard:
                    measure.run(opened, params[measure.name], shard.emit)
        found.append(FileEntry(file=file, bytes=path.stat().st_size, n_parts=1, shards=shards))
    given = {"source": "test", "revision": "", "task": "", "derived": model in derived}
    return ModelEntry(family=family, model=model, files=tuple(found), **given)


def _groups(folder: Path, index: ShardIndex, params: Mapping[str, Any]) -> tuple[GroupEntry, ...]:
    made = []
    for measure in (MEASURES[name] for name in params):
        if isinstance(measure, GroupMeasure):
            for number, group in enumerate(measure.groups(index, params[measure.name])):
                key = f"{measure.name}-{number:04}".ljust(32, "0")
                opened = [open_model(_path(folder, *file)) for file in group.files]
                with ShardWriter(folder / "shards", key) as shard:
                    measure.run(opened, params[measure.name], shard.emit)
                made.append(GroupEntry(step=measure.name, files=group.files, shard=key))
    return tuple(made)
