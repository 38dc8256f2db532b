"""A study of small safetensors files, measured in this process: what aggregation and groups see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from analysis.manifest import FileEntry, GroupEntry, Manifest, ModelEntry, step_name
from analysis.measure import GroupMeasure, Measure
from analysis.measures import MEASURES
from analysis.shard_index import ShardIndex
from analysis.shards import ShardWriter
from elf.formats import open_model

Tensors = Mapping[str, np.ndarray]
Models = Mapping[str, Mapping[str, Tensors]]
"""Files by name in models by name; the family of a model is what precedes a dash in its name."""


def study(folder: Path, models: Models, measures: Sequence[str], **params: Any) -> ShardIndex:
    """Write the files, run the measures with `params` by measure, the rest with their defaults."""
    paths = {(model, file): folder / model / file for model, files in models.items() for file in files}
    for (model, file), path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(models[model][file]), path)
    shards = folder / "shards"
    taken = {name: MEASURES[name].params.model_validate(params.get(name, {})) for name in measures}
    keys: dict[tuple[str, str], dict[str, str]] = {place: {} for place in paths}
    for name in measures:
        measure = MEASURES[name]
        if isinstance(measure, Measure):
            for place, path in paths.items():
                for part, narrow in measure.parts(taken[name]).items():
                    keys[place][step_name(name, part)] = _run(measure, [path], narrow, shards)
    index = ShardIndex(_manifest(models, paths, keys, measures, ()), shards)
    groups = []
    for name in measures:
        measure = MEASURES[name]
        if isinstance(measure, GroupMeasure):
            for group in measure.groups(index, taken[name]):
                for part, narrow in measure.parts(taken[name]).items():
                    key = _run(measure, [paths[file] for file in group.files], narrow, shards)
                    groups.append(GroupEntry(step=step_name(name, part), files=group.files, shard=key))
    return ShardIndex(_manifest(models, paths, keys, measures, tuple(groups)), shards)


def _run(measure: Any, paths: list[Path], params: Any, shards: Path) -> str:
    key = f"{len(list(shards.glob('*/*'))):032d}"
    files = [open_model(path) for path in paths]
    with ShardWriter(shards, key) as shard:
        measure.run(files if isinstance(measure, GroupMeasure) else files[0], params, shard.emit)
    return key


def _manifest(models: Models, paths: Any, keys: Any, measures: Sequence[str], groups: Any) -> Manifest:
    entries = tuple(
        ModelEntry(
            family=model.partition("-")[0],
            model=model,
            source="test",
            revision="",
            task="",
            derived=model.endswith("derived"),
            files=tuple(
                FileEntry(file=file, bytes=paths[model, file].stat().st_size, n_parts=1, shards=keys[model, file])
                for file in files
            ),
        )
        for model, files in models.items()
    )
    versions = {name: MEASURES[name].version for name in measures}
    return Manifest(study="small", measures=versions, models=entries, failures=(), groups=groups)
