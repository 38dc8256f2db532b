"""Deltas between related files, and the pipeline of a store that uses them.

`layer_deltas` is what other topics need: every measured delta of one layer content against another.
"""

from __future__ import annotations

import pandas as pd

from analysis.aggregate import pipeline
from analysis.shard_index import ShardIndex
from analysis.tables import frame
from analysis.tables.relatives import DELTAS, PAIR_KEY, PIPELINE

MEASURE = "deltas"
CODES = "tensor_codes"
PAIR = list(PAIR_KEY)


def tables(index: ShardIndex, _: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables `deltas` and `pipeline`."""
    alone = layer_codes(index)
    found = index.group_rows(MEASURE, "layer_deltas")
    return {
        "deltas": _versioned(index, pd.concat([_of_layers(found, alone), _of_files(index)])),
        "pipeline": _pipeline(index, alone),
    }


def layer_codes(index: ShardIndex) -> pd.DataFrame:
    """Every distinct layer content by each codec without a relative: content, codec, bytes_in, bytes_out."""
    codes, layers = index.rows(CODES, "codes"), index.rows("hash_dedup", "layers")
    if codes.empty or layers.empty:
        return pd.DataFrame(columns=pd.Index(["content", "codec", "bytes_in", "bytes_out"]))
    layers = layers[["model", "file", "index"]].assign(content=pipeline.contents(layers))
    joined = codes.merge(layers, on=["model", "file", "index"])
    return joined.groupby(["content", "codec"], as_index=False)[["bytes_in", "bytes_out"]].min()


def layer_deltas(index: ShardIndex) -> pd.DataFrame:
    """Every measured delta of one layer's content against another's: content, base_content, codec, bytes_in, bytes_out.

    The base comes in an earlier file of the study; its content may come again later, so that whoever picks deltas takes
    care that no two contents need each other (`pipeline.best_deltas` does).
    """
    found = index.group_rows(MEASURE, "layer_deltas")
    key = ["content", "base_content", "codec"]
    if found.empty:
        return pd.DataFrame(columns=pd.Index([*key, "bytes_in", "bytes_out"]))
    return found.groupby(key, as_index=False)[["bytes_in", "bytes_out"]].min()


def _of_layers(found: pd.DataFrame, alone: pd.DataFrame) -> pd.DataFrame:
    """Rows with unit `layers`; a layer that a method could not code counts as it is."""
    if found.empty:
        return pd.DataFrame()
    layers = found[[*PAIR, "content", "bytes_in"]].drop_duplicates([*PAIR, "content"])
    beside = layers[[*PAIR, "content"]].merge(alone, on="content")
    same = layers.assign(codec="identity", bytes_out=layers["bytes_in"])
    coded = pd.concat([found[same.columns], beside[same.columns], same], ignore_index=True)
    best = coded.sort_values("bytes_out", kind="stable").drop_duplicates([*PAIR, "content"]).assign(codec="best")
    wide = pd.concat([coded, best]).pivot_table(index=[*PAIR, "content"], columns="codec", values="bytes_out")
    kept = wide.apply(lambda column: column.fillna(wide["identity"]).clip(upper=wide["identity"]))
    # a method that has no shard for a pair has no row for it
    there = wide.notna().groupby(PAIR).any()
    sums = kept.groupby(PAIR).sum().where(there)
    rows = sums.reset_index().melt(PAIR, var_name="method", value_name="bytes_out").dropna(subset="bytes_out")
    size = layers.groupby(PAIR, as_index=False).agg(n_units=("content", "size"), bytes_in=("bytes_in", "sum"))
    joined: pd.DataFrame = rows.merge(size, on=PAIR)
    return joined.assign(unit="layers")


def _of_files(index: ShardIndex) -> pd.DataFrame:
    found = index.group_rows(MEASURE, "file_deltas")
    if found.empty:
        return pd.DataFrame()
    same = found.drop_duplicates(PAIR)
    same = same.assign(codec="identity", bytes_out=same["bytes_in"])
    return pd.concat([found, same]).rename(columns={"codec": "method"}).assign(unit="file", n_units=1)


def _versioned(index: ShardIndex, data: pd.DataFrame) -> pd.DataFrame:
    if data.empty:
        return frame(DELTAS, [])
    return data.assign(method_version=index.manifest.measures[MEASURE])


def _pipeline(index: ShardIndex, alone: pd.DataFrame) -> pd.DataFrame:
    version = index.manifest.measures.get(MEASURE)
    files = pipeline.files_of(index)
    if version is None or not files or alone.empty:
        return frame(PIPELINE, [])
    sizes = pipeline.Sizes.of(alone, layer_deltas(index))
    scopes = {("study", index.manifest.study): files}
    families = sorted({file.family for file in files})
    for family in families if len(families) > 1 else []:
        scopes["without_family", family] = [file for file in files if file.family != family]
    return frame(
        PIPELINE,
        [
            {"scope": scope, "name": name, **row, "method_version": version}
            for (scope, name), kept in scopes.items()
            for row in pipeline.steps(kept, sizes)
        ],
    )
