"""Elves beside its peers, over a study: sums by model, method, setting, bound, role and dtype."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.aggregate.elves_steps import ablation
from analysis.shard_index import ShardIndex
from analysis.tables import Table, frame, tidy
from analysis.tables.elves import ELVES_INPUTS, ELVES_PUBLISHED, TABLES

MEASURE = "elves"
FAMILY = "elves_family"
EMITTED = ("layers", "coded", "choices", "inputs", "file", "floor", "sizes")
LAYER = ["family", "model", "file", "number"]
GROUP = ["family", "model", "codec", "setting", "step", "eligible", "role", "dtype"]
LOSSLESS = -1
"""Stands in the column `step` for no loss at all."""

_SUMS = ["n_params", "bytes_in", "bytes_out", "bytes_in_once", "bytes_out_once", "n_changed", "n_nonzero", "n_zeroed",
         "n_beyond", "sum_sq", "sum_sq_error"]  # fmt: skip


def tables(index: ShardIndex, made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:  # noqa: ARG001
    """The tables of `analysis.tables.elves`."""
    published = {
        ELVES_PUBLISHED.name: _typed(ELVES_PUBLISHED, _published(index), index.manifest.measures.get(FAMILY, 0))
    }
    if MEASURE not in index.manifest.measures:
        return {table.name: frame(table, []) for table in TABLES} | published
    version = index.manifest.measures[MEASURE]
    rows = read_all(index)
    layers, inputs, files = with_first(rows["layers"]), _inputs(rows["inputs"]), rows["file"]
    found = {
        "elves": _elves(rows["coded"], layers, inputs, files),
        "choices": _choices(rows["choices"], layers),
        "elves_inputs": inputs,
        "elves_files": files,
        "elves_floor": _floor(rows["floor"], layers),
        "elves_steps": ablation(layers, rows["sizes"], files, _of_groups(index, "delta")),
    }
    return {
        table.name: _typed(table, found[table.name], version) for table in TABLES if table.name in found
    } | published


def _typed(table: Table, data: pd.DataFrame, version: int) -> pd.DataFrame:
    return tidy(table, data.assign(method_version=version)) if len(data) else frame(table, [])


def read_all(index: ShardIndex) -> dict[str, pd.DataFrame]:
    """Every table of every shard of the measure, with family, model, file and derived: thousands of shards."""
    found: dict[str, list[pa.Table]] = {name: [] for name in EMITTED}
    for model, file, folder in index.measured(MEASURE):
        names = {"family": model.family, "model": model.model, "file": file.file, "derived": model.derived}
        for name in sorted(index.tables(folder) & set(EMITTED)):
            rows = pq.ParquetFile(folder / f"{name}.parquet").read()
            for column, value in names.items():
                rows = rows.append_column(column, pa.repeat(value, rows.num_rows))  # typed without rows, too
            found[name].append(rows)
    return {name: pa.concat_tables(tables).to_pandas() if tables else pd.DataFrame() for name, tables in found.items()}


def with_first(layers: pd.DataFrame) -> pd.DataFrame:
    """Every layer; `first` says that no layer before it in its family has the same bytes, dtype and shape."""
    if layers.empty:
        return layers
    layers = layers.sort_values(["family", "derived", "model", "file", "number"], kind="stable", ignore_index=True)
    scope = layers["family"].mask(layers["derived"], layers["model"])
    return layers.assign(first=~pd.DataFrame({"scope": scope, "digest": layers["digest"]}).duplicated())


def _inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """The same for every file that was measured with the same packages."""
    if rows.empty:
        return rows
    return rows.drop(columns=["family", "model", "file", "derived"]).drop_duplicates(ELVES_INPUTS.key)


def _elves(coded: pd.DataFrame, layers: pd.DataFrame, inputs: pd.DataFrame, files: pd.DataFrame) -> pd.DataFrame:
    if layers.empty:
        return pd.DataFrame()
    rows = layers.merge(coded.drop(columns="derived"), on=LAYER) if len(coded) else layers.head(0)
    data = _summed(pd.concat([rows, _exact(layers)], ignore_index=True))
    versions = (
        dict(zip(inputs["codec"], inputs["package"] + " " + inputs["version"], strict=True)) if len(inputs) else {}
    )
    bound = np.where(data["step"] > 0, 2.0 ** -data["step"].abs().astype("float64"), np.nan)
    data = data.assign(
        error_bound=np.where(data["step"] == LOSSLESS, 0.0, bound),
        version=data["codec"].map(versions),
        kept_bound=(data["n_beyond"] == 0).astype("boolean").mask(data["step"] == 0),
    )
    return pd.concat([data, _container(files)], ignore_index=True)


def _exact(layers: pd.DataFrame) -> pd.DataFrame:
    """Every layer without loss."""
    nothing = dict.fromkeys(["n_changed", "n_zeroed", "n_beyond", "max_abs_error", "sum_sq_error"], 0)
    return layers.assign(
        codec="lossless",
        setting="per tensor",
        step=LOSSLESS,
        bytes_out=layers["bytes_lossless"],
        refused=False,
        **nothing,
    )


def _summed(rows: pd.DataFrame) -> pd.DataFrame:
    """Sums over layers, in the order of the layers, so that floats come out the same every time."""
    rows = rows.assign(
        bytes_in_once=rows["bytes_in"].where(rows["first"], 0),
        bytes_out_once=rows["bytes_out"].where(rows["first"], 0),
        n_nonzero=rows["n_nonzero"].fillna(0).astype("int64"),
        sum_sq=rows["sum_sq"].fillna(0.0),
    ).sort_values([*GROUP, "file", "number"], kind="stable")
    groups = rows.groupby(GROUP, as_index=False)
    data = groups[_SUMS].sum()
    others = groups.agg(
        n_layers=("number", "size"), n_refused=("refused", "sum"), max_abs_error=("max_abs_error", "max")
    )
    data = data.merge(others, on=GROUP)
    return data.assign(
        rmse=np.sqrt(data["sum_sq_error"] / data["n_params"]), rms=np.sqrt(data["sum_sq"] / data["n_params"])
    )


def _container(files: pd.DataFrame) -> pd.DataFrame:
    """What is in no layer, by model."""
    sums = files.groupby(["family", "model"], as_index=False)[["bytes_rest", "bytes_container"]].sum()
    data = sums.rename(columns={"bytes_rest": "bytes_in", "bytes_container": "bytes_out"})
    counts = ("n_layers", "n_refused", "n_params", "n_changed", "n_nonzero", "n_zeroed", "n_beyond")
    return data.assign(
        codec="container", setting="per file", error_bound=0.0, eligible=False, role="", dtype="", version="",
        bytes_in_once=data["bytes_in"], bytes_out_once=data["bytes_out"], kept_bound=True,
        max_abs_error=0.0, rmse=0.0, rms=0.0, **dict.fromkeys(counts, 0),
    )  # fmt: skip


def _choices(chosen: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    """Of the part at the published bound alone: shards of other bounds have no such table."""
    if chosen.empty:
        return chosen
    return layers.merge(chosen.drop(columns="derived"), on=LAYER).rename(columns={"name": "layer"})


def _floor(rows: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    if rows.empty:
        return rows
    data = layers.merge(rows.drop(columns="derived"), on=LAYER).sort_values(["step", *LAYER], kind="stable")
    summed = data.groupby(["family", "model", "step"], as_index=False)[["n_params", "bits", "bits_plug_in"]].sum()
    return summed.assign(error_bound=2.0 ** -summed["step"].astype("float64"))


def _published(index: ShardIndex) -> pd.DataFrame:
    """The rows of every group, with the names of its files put back."""
    rows = _of_groups(index, "published")
    return rows.drop(columns="index") if len(rows) else rows


def _of_groups(index: ShardIndex, table: str) -> pd.DataFrame:
    """A table of every family, with family, model and file for `index`; the same for a relative where there is one."""
    families = {model.model: model.family for model in index.manifest.models}
    frames = []
    for group, folder in index.groups(FAMILY):
        if table in index.tables(folder):
            rows = pq.read_table(folder / f"{table}.parquet").to_pandas()
            for prefix in [name.removesuffix("index") for name in rows if name.endswith("index")]:
                files = [group.files[place] for place in rows[f"{prefix}index"]]
                rows[f"{prefix}model"] = [model for model, _ in files]
                rows[f"{prefix}file"] = [file for _, file in files]
            frames.append(rows.assign(family=rows["model"].map(families)))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
