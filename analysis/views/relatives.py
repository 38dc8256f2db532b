"""Relatives, deltas, twins and resemblance as they are looked at."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from analysis.results import Results
from analysis.tables.relatives import PAIR_KEY

PAIR = list(PAIR_KEY)
LABEL = 30
"""Characters of a file's or package's name in a pair's label."""


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `pair` that names the two files as shortly as they can be told apart.

    Files of one package go by their names, with versions where these differ; files of two packages by the packages.
    """
    pairs = rows[PAIR].drop_duplicates().sort_values(PAIR)
    held = Counter(PurePosixPath(file).name for file in {*pairs["file_a"], *pairs["file_b"]})
    names: dict[tuple[str, ...], str] = {}
    for key in pairs.itertuples(index=False, name=None):
        name = _label(key, held)
        taken = sum(other == name or other.startswith(f"{name} #") for other in names.values())
        names[key] = f"{name} #{taken + 1}" if taken else name
    keys = rows[PAIR].itertuples(index=False, name=None)
    return rows.assign(pair=pd.Series([names[key] for key in keys], rows.index, dtype="str"))


def _label(key: tuple[str, ...], held: Counter[str]) -> str:
    (package_a, _, version_a), (package_b, _, version_b) = key[0].partition("=="), key[2].partition("==")
    if package_a != package_b:
        return f"{package_a[:LABEL]} > {package_b[:LABEL]}"
    versions = (f" {version_a}", f" {version_b}") if version_a != version_b else ("", "")
    return " > ".join(_short(file, held) + version for file, version in zip(key[1::2], versions, strict=True))


def _short(file: str, held: Counter[str]) -> str:
    """A file's name, the end of a long one left out; with its folder where pairs hold two files of this name."""
    path = PurePosixPath(file)
    name = path.name if len(path.name) <= LABEL else path.name[: LABEL - 3] + "..."
    return f"{path.parent.name}/{name}" if held[path.name] > 1 else name


def kinship(results: Results) -> pd.DataFrame:
    """One row a pair: shares of parameters and bytes that agree, beside chance; closest first.

    Shares are over all float layers that match and differ. Cosine and relative RMS difference are over weights alone:
    in norms and tables a few large values decide them.
    """
    rows = results.relatives
    rows = rows[rows["n_params"] > 0]
    if rows.empty:
        return pd.DataFrame()
    sums = rows.groupby(PAIR, as_index=False).sum(numeric_only=True)
    n = sums["n_params"].astype("float64")
    shares = {name: sums[f"n_{name}"] / n for name in ("equal", "sign", "exponent", "lead_1", "lead_2")}
    chance = {f"{name} by chance": sums[f"null_{name}"] / n for name in shares}
    lead = {
        "leading bytes": sums["n_bytes_leading"] / n,
        "leading bytes by chance": sums["null_bytes_leading"] / n,
    }
    found = sums[[*PAIR, "n_layers", "n_layers_identical", "n_params"]].assign(**shares, **chance, **lead)
    weights = rows[rows["role"] == "weight"].groupby(PAIR).sum(numeric_only=True)
    found = found.merge(_geometry(weights).reset_index(), on=PAIR, how="left")
    return labelled(found).sort_values(["cosine", "pair"], ascending=[False, True], ignore_index=True)


def _geometry(sums: pd.DataFrame) -> pd.DataFrame:
    size = np.sqrt(sums["sum_aa"] * sums["sum_bb"])
    return pd.DataFrame(
        {
            "cosine": sums["sum_ab"] / size,
            "cosine by chance": sums["null_sum_ab"] / size,
            "relative RMS difference": np.sqrt(sums["sum_dd"] / sums["sum_aa"]),
        }
    )


def bit_agreement(results: Results, dtype: str = "f32") -> pd.DataFrame:
    """Pairs (rows, in `kinship`'s order) by bit (columns, the sign first): how much more often equal than by chance.

    0 is chance, 1 always equal: (share - chance) / (1 - chance); NaN where chance alone gives 1.
    """
    rows = results.relative_bits[results.relative_bits["dtype"] == dtype]
    if rows.empty:
        return pd.DataFrame()
    chance = (rows["null_equal"] / rows["n_params"]).astype("float64")
    share = (rows["n_equal"] / rows["n_params"]).astype("float64")
    rows = labelled(rows).assign(beyond=((share - chance) / (1 - chance).where(chance < 1)))
    wide = rows.pivot_table(index="pair", columns="bit", values="beyond", dropna=False)
    order = [pair for pair in kinship(results)["pair"] if pair in wide.index]
    return wide.loc[order, sorted(wide.columns, reverse=True)]


def delta_ratios(results: Results, unit: str = "layers") -> pd.DataFrame:
    """One row a pair: bytes in, and the ratio of each method (bytes in / bytes out); best delta first."""
    rows = results.deltas[results.deltas["unit"] == unit]
    if rows.empty:
        return pd.DataFrame()
    rows = labelled(rows)
    rows = rows.assign(ratio=rows["bytes_in"].astype("float64") / rows["bytes_out"].astype("float64"))
    wide = rows.pivot_table(index=["pair", "n_units", "bytes_in"], columns="method", values="ratio").reset_index()
    wide.columns.name = None
    methods = [name for name in METHODS if name in wide]
    if unit == "layers" and {"best", "split"} <= set(methods):
        wide = wide.assign(gain=wide["best"] / wide["split"] - 1)
    order = "gain" if "gain" in wide else methods[-1]
    wide = wide.sort_values([order, "pair"], ascending=[False, True], ignore_index=True)
    return wide[["pair", "n_units", "bytes_in", *methods, *(["gain"] if "gain" in wide else [])]]


METHODS = ("zstd", "patch-from", "split", "xor", "difference", "best")


def pipeline(results: Results, scope: str = "study") -> pd.DataFrame:
    """The steps of a whole store, with all metadata: ratio, saving, and what the step adds to the saving."""
    rows = results.pipeline[results.pipeline["scope"] == scope]
    out = rows[["bytes_payload", "bytes_recipe", "bytes_index"]].sum(axis=1).astype("float64")
    size = rows["bytes_in"].astype("float64")
    rows = rows.assign(bytes_out=out.astype("Int64"), ratio=size / out, saving=1 - out / size)
    added = rows.groupby("name")["saving"].diff().fillna(rows["saving"])
    return rows.assign(added=added).drop(columns=["scope", "method_version"]).reset_index(drop=True)


def resemblance(results: Results, scope: str = "study") -> pd.DataFrame:
    """Stores of chunks of one scope with all metadata: saving of dedup and zstd, and what deltas add to it."""
    rows = results.resemblance[results.resemblance["scope"] == scope]
    parts = ["bytes_payload", "bytes_recipe", "bytes_index", "bytes_features"]
    out, size = rows[parts].sum(axis=1).astype("float64"), rows["bytes_in"].astype("float64")
    rows = rows.assign(saving=1 - out / size)
    plain = rows.loc[rows["method"] == "none", ["chunking", "name", "saving"]]
    joined = rows.merge(plain.rename(columns={"saving": "plain"}), on=["chunking", "name"])
    joined = joined.assign(added=joined["saving"] - joined["plain"]).drop(columns="plain")
    order = joined["chunking"].str.extract(r"(\d+)$")[0].astype("int64")
    return joined.assign(order=order, other=joined["method"] != "none").sort_values(
        ["order", "chunking", "name", "other", "method"], ignore_index=True
    )[joined.columns]


def twin_kinds(results: Results) -> pd.DataFrame:
    """Twins by kind: how many, their bytes, what they save."""
    sums = results.twins.groupby("kind", as_index=False).agg(
        n_twins=("kind", "size"), bytes=("bytes_b", "sum"), bytes_saved=("bytes_saved", "sum")
    )
    return sums.sort_values("bytes_saved", ascending=False, kind="stable", ignore_index=True)
