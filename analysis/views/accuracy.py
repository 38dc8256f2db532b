"""Accuracy as it is shown: bits a parameter beside the metric, and what the statistics say in a word."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.results import Results

LABELLED = ("g2p", "similarity", "ocr", "filetype")
"""Tasks that have labels; the rest compares a model's outputs with the original's."""
NAMES = {
    "original": "original", "elves": "Elves, by its rule", "elf": "Elf, no tensor spared", "bf16": "cast to bf16",
    "f16": "cast to f16", "int16_tensor": "int16 a tensor", "int16_channel": "int16 a channel",
    "int8_tensor": "int8 a tensor", "int8_channel": "int8 a channel",
}  # fmt: skip
"""Methods as figures and tables call them, in their order there."""


def shown(results: Results) -> pd.DataFrame:
    """The table `accuracy` with `bits` a parameter (of the whole file, everything counted), `ratio`, `method` (with
    its bound), `harm` (the difference, positive where the restored model is worse) and `verdict`.
    """
    data = results.accuracy
    worse = np.where(data["more_is_better"].fillna(value=True).astype(bool), -1.0, 1.0)
    sides = data[["low", "high"]].mul(worse, axis=0)
    return data.assign(
        bits=8 * data["bytes_out"].astype("float64") / data["n_params"].astype("float64"),
        ratio=data["bytes_in"].astype("float64") / data["bytes_out"].astype("float64"),
        method=[_method(codec, bound) for codec, bound in zip(data["codec"], data["error_bound"], strict=True)],
        harm=data["difference"] * worse,
        harm_low=sides.min(axis=1),
        harm_high=sides.max(axis=1),
        verdict=[_verdict(row) for row in data.assign(worse=worse).itertuples()],
    )


def _method(codec: str, bound: float) -> str:
    """For instance `elf 2^-24`."""
    return codec if np.isnan(bound) else f"{codec} 2^{round(float(np.log2(bound)))}"


def _verdict(row: object) -> str:
    """`equivalent` within the margin; `worse` or `better` where all of the interval is; else `not shown`."""
    equivalent, low, high = (getattr(row, name) for name in ("equivalent", "low", "high"))
    if pd.isna(equivalent):
        return ""
    if equivalent:
        return "equivalent"
    if low * high > 0:
        return "worse" if low * getattr(row, "worse") > 0 else "better"  # noqa: B009
    return "not shown"


def labelled(results: Results) -> pd.DataFrame:
    """Rows of the tasks that have labels."""
    data = shown(results)
    return data[data["task"].isin(LABELLED)].reset_index(drop=True)


def loosest(results: Results) -> pd.DataFrame:
    """By task, model and metric: the loosest bound that is equivalent, as every tighter one is, and its size."""
    data = labelled(results)
    rows = []
    for key, group in data[data["codec"] == "elf"].groupby(["task", "model", "file", "metric"], sort=False):
        ordered = group.sort_values("error_bound")
        kept = ordered[ordered["equivalent"].fillna(value=False).astype(bool).cummin()]
        if len(kept):
            last = kept.iloc[-1]
            rows.append([*key, last["error_bound"], last["bits"], last["ratio"], last["harm"], last["margin"]])
    names = ["task", "model", "file", "metric", "error_bound", "bits", "ratio", "harm", "margin"]
    return pd.DataFrame(rows, columns=pd.Index(names))
