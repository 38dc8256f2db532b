"""What a study consists of: its models, their layers, what could not be measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from analysis.manifest import FileEntry, ModelEntry
from analysis.shard_index import ShardIndex
from analysis.tables import frame, tidy
from analysis.tables.dedup import HASH_DEDUP
from analysis.tables.inventory import FAILURES, LAYERS, MODELS

MEASURE = "hash_dedup"


def tables(index: ShardIndex, made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:  # noqa: ARG001
    """The tables `layers`, `models` and `failures`."""
    found = layers(index)
    return {"layers": found, "models": models(index, found), "failures": failures(index)}


def failures(index: ShardIndex) -> pd.DataFrame:
    """The table `failures`: files that a step could not measure, and methods that failed while it measured the rest."""
    rows = [failure.model_dump() for failure in index.manifest.failures]
    rows += [_method_failure(index, *found) for found in _method_failures(index)]
    return frame(FAILURES, list({tuple(row.items()): row for row in rows}.values()))


def _method_failures(index: ShardIndex) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """(model, file, measure, row) of every row of a shard's own table of failures."""
    for measure in index.manifest.measures:
        for model, file, found in index.read(measure, "failures"):
            yield from ((model.model, file.file, measure, row) for row in found.to_pylist())
        for group, folder in index.groups(measure):
            if "failures" in index.tables(folder):
                rows = pq.read_table(folder / "failures.parquet").to_pylist()
                yield from ((*group.files[0], measure, row) for row in rows)


def _method_failure(index: ShardIndex, model: str, file: str, measure: str, row: dict[str, str]) -> dict[str, str]:
    [family] = {entry.family for entry in index.manifest.models if entry.model == model}
    where = {"family": family, "model": model, "file": file, "step": f"{measure}:{row['method']}"}
    return where | {"error": row["error"], "reason": row["reason"]}


def layers(index: ShardIndex) -> pd.DataFrame:
    """The table `layers`."""
    version = index.manifest.measures[MEASURE]
    frames = [_file_layers(model, file, folder, version) for model, file, folder in index.measured(MEASURE)]
    if not frames:
        return frame(LAYERS, [])
    return tidy(LAYERS, pd.concat(frames, ignore_index=True))


def _file_layers(model: ModelEntry, file: FileEntry, shard: Path, version: int) -> pd.DataFrame:
    found = pq.read_table(shard / "layers.parquet")
    parts = pq.read_table(shard / "files.parquet", columns=["format"])
    data: pd.DataFrame = found.to_pandas(types_mapper=pd.ArrowDtype)
    return data.assign(
        family=model.family,
        model=model.model,
        file=file.file,
        layer=data["name"],
        format=parts["format"][0].as_py(),
        shape=["x".join(map(str, shape)) for shape in found["shape"].to_pylist()],
        bytes_stored=data["stored"],
        xxh3_128=[f"{high:016x}{low:016x}" for high, low in zip(data["hash_hi"], data["hash_lo"], strict=True)],
        method_version=version,
    )


def models(index: ShardIndex, layers: pd.DataFrame) -> pd.DataFrame:
    """The table `models`."""
    return frame(MODELS, [_model(model, layers[layers["model"] == model.model]) for model in index.manifest.models])


def _model(model: ModelEntry, layers: pd.DataFrame) -> dict[str, object]:
    own = layers[layers["alias_of"] == ""]
    measured = [file for file in model.files if MEASURE in file.shards]
    return {
        **model.model_dump(include={"family", "model", "source", "revision", "task", "derived"}),
        "n_files": sum(file.n_parts for file in measured),
        "bytes": sum(file.bytes for file in measured),
        "bytes_tensors": int(own["bytes_stored"].sum()),
        "n_layers": len(layers),
        "n_params": int(own["n_params"].sum()),
    }


def remainder(models: pd.DataFrame, study: str, version: int) -> pd.DataFrame:
    """Rows of `hash_dedup` for the bytes that are in no tensor, and for doing nothing: both keep what they get."""
    originals = models[~models["derived"]].assign(study=study)
    scopes = [("model", "model", models), ("family", "family", originals), ("study", "study", originals)]
    rows = [
        _kept(granularity, scope, str(name), group, version)
        for scope, by, data in scopes
        for name, group in data.groupby(by)
        for granularity in ("rest", "identity")
    ]
    return frame(HASH_DEDUP, rows)


def _kept(granularity: str, scope: str, name: str, models: pd.DataFrame, version: int) -> dict[str, object]:
    size = int(models["bytes"].sum()) - (int(models["bytes_tensors"].sum()) if granularity == "rest" else 0)
    n_files = int(models["n_files"].sum())
    return {
        "granularity": granularity,
        "method": "stored",
        "scope": scope,
        "name": name,
        "n_units": n_files,
        "n_unique": n_files,
        "bytes_in": size,
        "bytes_payload": size,
        "bytes_recipe": 0,
        "bytes_index": 0,
        "method_version": version,
    }
