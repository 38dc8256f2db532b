"""What deduplication and compression give together, and which compression leaves something to deduplicate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.results import Results, with_ratios

CODECS = ("stored", "lz4-bg4", "zstd-3", "split", "elves")
"""In the order of figures."""

ROWS = (
    ("compress", "file", "", "whole files coded"),
    ("compress", "layer", "", "layers coded"),
    ("compress", "chunk", "", "chunks coded"),
    ("compress-dedup", "file", "chunk", "whole files coded, then chunks once"),
    ("compress-dedup", "layer", "chunk", "layers coded, then chunks once"),  # stored: layers moved together
    ("dedup-compress", "file", "file", "files once, then coded"),
    ("dedup-compress", "chunk", "chunk @ file", "chunks @ file once, then coded"),
    ("dedup-compress", "chunk", "chunk @ tensor", "chunks @ tensor once, then coded"),
    ("dedup-compress", "layer", "layer", "layers once, then coded"),
)
"""Order, what the codec is given, what is deduplicated, and how that is called."""


def compositions(results: Results, scope: str = "study") -> pd.DataFrame:
    """Every composition of one scope with ratio and saving, kept bytes alone and everything counted."""
    rows = results.composition
    return with_ratios(rows[rows["scope"] == scope]).reset_index(drop=True)


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that `ROWS` has a name for, with that name as `label`: of several cutting rules each."""
    anchored = rows["granularity"] + rows["method"].str.extract(r"( @ \w+)$")[0].fillna("")
    within = rows["granularity"].mask(rows["order"] == "dedup-compress", anchored)
    keys = zip(rows["order"], rows["coded"], within, strict=True)
    names = {(order, coded, unit): label for order, coded, unit, label in ROWS}
    labels = pd.Series([names.get(key) for key in keys], index=rows.index, dtype="object")
    plain = (rows["order"] == "dedup") & (rows["codec"] == "stored")
    alone = {unit: label for order, _, unit, label in ROWS if order == "dedup-compress"}
    labels = labels.mask(plain, anchored.map(alone))
    return rows.assign(label=labels).dropna(subset="label")


def matrix(results: Results, column: str = "ratio") -> pd.DataFrame:
    """The best `column` of each composition (rows, in the order of ROWS) and codec over the study, any cutting rule."""
    rows = labelled(compositions(results))
    best = rows.pivot_table(index="label", columns="codec", values=column, aggfunc="max")
    there = [label for *_, label in ROWS if label in best.index]
    return best.loc[there, [codec for codec in CODECS if codec in best]]


def survival(results: Results) -> pd.DataFrame:
    """How much of deduplication is left after each compression, kept bytes alone: one row a codec and unit coded.

    `before`: what deduplicating the same bytes uncoded saves, by the same rule and in the same order: files as they
    are, or layers moved together. `after`: what it saves of coded bytes. Units that are deduplicated first and then
    coded one by one keep all of it, by construction.
    """
    rows = compositions(results)
    key, place = ["codec", "coded"], ["coded", "method"]
    coded = rows[rows["order"] == "compress"].drop_duplicates(key).set_index(key)["bytes_payload"]
    files = rows[(rows["order"] == "dedup") & (rows["granularity"] == "chunk")].assign(coded="file")
    after = rows[rows["order"] == "compress-dedup"]
    plain = pd.concat([files, after[after["codec"] == "stored"]]).set_index(place)["saving_payload"]
    after = after[after["codec"] != "stored"]
    alone = coded.reindex(pd.MultiIndex.from_frame(after[key])).to_numpy("float64")
    moved = after[place].assign(coded=after["coded"].mask(after["codec"] == "elves", "layer"))  # as an Elves file does
    before = plain.reindex(pd.MultiIndex.from_frame(moved)).to_numpy("float64")
    data = after[[*key, "method", "bytes_in", "bytes_payload"]].assign(
        bytes_alone=alone, before=before, after=1 - after["bytes_payload"].astype("float64") / alone
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        data["share_left"] = data["after"] / data["before"]
    return data.sort_values([*key, "method"], ignore_index=True)


TOGETHER = (
    ("dedup", "stored", "layers once, then coded", "layers once"),
    ("compress-dedup", "zstd-3", "whole files coded, then chunks once", "zstd-3 of files, then chunks once"),
    ("compress-dedup", "zstd-3", "layers coded, then chunks once", "zstd-3 of layers, then chunks once"),
    ("compress-dedup", "elves", "whole files coded, then chunks once", "Elves files, then chunks once"),
    ("dedup-compress", "elves", "layers once, then coded", "layers once, then elves"),
)
"""The compositions that versions are looked at with: order, codec, label, short name."""


WHOLE = "the study"


def versions(results: Results) -> pd.DataFrame:
    """What several models take less in one store than each in a store of its own, everything counted.

    One row a family of two models or more, and one for all models of the study, and composition of TOGETHER; of several
    cutting rules the best one.
    """
    models = results.originals[["model", "family"]].rename(columns={"model": "name"})
    alone = labelled(compositions(results, "model")).merge(models, on="name")
    alone = pd.concat([alone, alone.assign(family=WHOLE)])
    stores = labelled(pd.concat([compositions(results, "family"), compositions(results).assign(name=WHOLE)]))
    out = ["family", "order", "codec", "label", "method"]
    summed = _total(alone).groupby(out)["total"].sum().rename("alone")
    together = _total(stores.rename(columns={"name": "family"})).set_index(out)["total"].rename("together")
    chosen = pd.DataFrame(TOGETHER, columns=pd.Index(["order", "codec", "label", "composition"]))
    data = together.to_frame().join(summed).reset_index().merge(chosen, on=["order", "codec", "label"])
    single = models.groupby("family").size() == 1
    best = data[~data["family"].isin(single.index[single])].sort_values(["together", "method"])
    best = best.drop_duplicates(["family", "composition"])
    best = best.assign(saving=1 - best["together"].astype("float64") / best["alone"].astype("float64"))
    kept = best[["family", "composition", "method", "alone", "together", "saving"]]
    return kept.sort_values(["family", "composition"], ignore_index=True)


def _total(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(total=rows["bytes_payload"] + rows["bytes_recipe"] + rows["bytes_index"])


def waterfall(results: Results, scope: str = "study") -> pd.DataFrame:
    """The steps of one scope with what is left after each, and what the total grows by when a step is left out."""
    rows = results.waterfall[results.waterfall["scope"] == scope].sort_values(["name", "order"])
    last = rows.groupby("name")["order"].transform("max")
    first = rows.groupby("name")["bytes"].transform("first")
    total = rows.groupby("name")["bytes"].transform("last")
    steps = rows["bytes"].mask(rows["order"] == last, 0)
    return rows.assign(
        left=steps.groupby(rows["name"]).cumsum(),
        share=rows["bytes"].astype("float64") / first.astype("float64"),
        lost_without=rows["bytes_left_out"] - total,
    ).reset_index(drop=True)
