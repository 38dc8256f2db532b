"""The ablation of Elves: each of its steps alone, and everything but that step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

LAYER = ["family", "model", "file", "number"]
LOSSY = ["elf", "steps"]
STORED = "stored"


def ablation(layers: pd.DataFrame, sizes: pd.DataFrame, files: pd.DataFrame, delta: pd.DataFrame) -> pd.DataFrame:
    """Rows of `elves_steps`, from the bytes that each codec, and a delta to a relative, needs for each layer."""
    if layers.empty or sizes.empty:
        return pd.DataFrame()
    wide = sizes.pivot_table(index=LAYER, columns="codec", values="bytes_out", aggfunc="sum").astype("float64")
    first = layers.set_index(LAYER)["first"].reindex(wide.index)
    whole = files.groupby(["family", "model"])[["bytes_in", "bytes_rest", "bytes_container"]].sum()
    found = []
    for (step, how), kept in [*_variants(wide, first), *_deltas(wide, first, delta, _owners(layers))]:
        model = kept.groupby(level=["family", "model"]).sum().reindex(whole.index, fill_value=0)
        out = (model + whole["bytes_container"]).astype("int64")
        found.append(pd.DataFrame({"bytes_in": whole["bytes_in"], "bytes_out": out, "step": step, "how": how}))
    return pd.concat(found).reset_index()


Key = tuple[object, ...]


def _owners(layers: pd.DataFrame) -> dict[Key, Key]:
    """For each layer the one of its family that is stored for all that have its bytes."""
    seen: dict[Key, Key] = {}
    found = {}
    for row in layers[[*LAYER, "digest", "first"]].to_dict("records"):
        key = tuple(row[name] for name in LAYER)
        same = (row["family"], row["digest"])
        if row["first"]:
            seen.setdefault(same, key)
        found[key] = seen.get(same, key)
    return found


def _deltas(
    wide: pd.DataFrame, first: pd.Series, delta: pd.DataFrame, owners: dict[Key, Key]
) -> Iterator[tuple[tuple[str, str], pd.Series]]:
    """Deltas with nothing else, and added to everything else: where one is taken, its relative is kept exactly."""
    if delta.empty:
        return
    sizes = delta.set_index(LAYER)["bytes_out"].astype("float64").reindex(wide.index)
    yield ("delta", "alone"), pd.concat([wide[STORED], sizes], axis=1).min(axis=1)
    best = wide.min(axis=1)
    exact: dict[Any, float] = wide.drop(columns=[codec for codec in LOSSY if codec in wide]).min(axis=1).to_dict()
    kept: dict[Any, float] = best.to_dict()
    settled: set[Key] = set()
    rows = delta.assign(saved=best.reindex(pd.MultiIndex.from_frame(delta[LAYER])).to_numpy() - delta["bytes_out"])
    for row in rows.sort_values(["saved", *LAYER], ascending=False, kind="stable").to_dict("records"):
        mine = tuple(row[name] for name in LAYER)
        relative = owners[row["family"], row["relative_model"], row["relative_file"], row["relative_number"]]
        more = 0.0 if relative in settled else exact[relative] - kept[relative]
        if mine not in settled and owners[mine] == mine and row["saved"] > more:
            kept[mine], kept[relative] = row["bytes_out"], kept[relative] + more
            settled |= {mine, relative}
    yield ("delta", "added"), pd.Series(kept).reindex(wide.index).where(first, 0)


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
