"""The ablation of Elves: each of its steps alone, and everything but that step."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

LAYER = ["family", "model", "file", "number"]
LOSSY = ["elf", "steps"]
STORED = "stored"


def ablation(layers: pd.DataFrame, sizes: pd.DataFrame, files: pd.DataFrame) -> pd.DataFrame:
    """Rows of `elves_steps`, from the bytes that each codec needs for each layer."""
    if layers.empty or sizes.empty:
        return pd.DataFrame()
    wide = sizes.pivot_table(index=LAYER, columns="codec", values="bytes_out", aggfunc="sum").astype("float64")
    first = layers.set_index(LAYER)["first"].reindex(wide.index)
    whole = files.groupby(["family", "model"])[["bytes_in", "bytes_rest", "bytes_container"]].sum()
    found = []
    for (step, how), kept in _variants(wide, first):
        model = kept.groupby(level=["family", "model"]).sum().reindex(whole.index, fill_value=0)
        out = (model + whole["bytes_container"]).astype("int64")
        found.append(pd.DataFrame({"bytes_in": whole["bytes_in"], "bytes_out": out, "step": step, "how": how}))
    return pd.concat(found).reset_index()


def _variants(wide: pd.DataFrame, first: pd.Series) -> Iterator[tuple[tuple[str, str], pd.Series]]:
    """Bytes of every layer, 0 for one that is not stored again, for each step alone and left out."""
    everything = wide.min(axis=1)
    yield ("all", "alone"), everything.where(first, 0)
    yield ("all", "left out"), wide[STORED]
    yield ("dedup", "alone"), wide[STORED].where(first, 0)
    yield ("dedup", "left out"), everything
    for codec in sorted(set(wide.columns) - {STORED}):
        yield (codec, "alone"), wide[[codec, STORED]].min(axis=1)
        yield (codec, "left out"), wide.drop(columns=codec).min(axis=1).where(first, 0)
    lossy = [codec for codec in LOSSY if codec in wide]
    yield ("lossy", "alone"), wide[[*lossy, STORED]].min(axis=1)
    yield ("lossy", "left out"), wide.drop(columns=lossy).min(axis=1).where(first, 0)
