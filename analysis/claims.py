"""The published claims beside what this study measures: paper | ours | where.

`results/paper/claims.csv` holds what is published, with its source; a claim that this version measures names one of
MEASURED. Nothing here is the paper's beyond that file.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from analysis.places import PROJECT
from analysis.results import Results

CLAIMS = PROJECT / "results" / "paper" / "claims.csv"
NOT_YET = "not measured in this version"
NOTHING = "nothing was measured"


def dedup_saving(results: Results) -> tuple[str, str]:
    """The best store of each granularity, metadata counted."""
    data = results.dedup()
    found = []
    for granularity in ("file", "layer", "chunk", "parameter"):
        ratios = data.loc[data["granularity"] == granularity, "ratio"].dropna()
        found += [f"{granularity} {ratios.max():.3f}x"] if len(ratios) else []
    note = "best ratio of each granularity over the study, recipes and index counted; a hand-picked set"
    return (", ".join(found), note) if found else (NOTHING, "")


def in_unit_interval(results: Results) -> tuple[str, str]:
    """Share of the study's float parameters in (-1, 1)."""
    rows = results.parameters[
        (results.parameters["scope"] == "study") & results.parameters["n_in_unit_interval"].notna()
    ]
    if not rows["n_params"].sum():
        return NOTHING, ""
    by_dtype = {str(dtype): _share(group) for dtype, group in rows.groupby("dtype")}
    note = f"of {int(rows['n_params'].sum()):,} float parameters of every role, optimizer state included"
    return f"{_share(rows)} ({', '.join(f'{dtype} {share}' for dtype, share in by_dtype.items())})", note


def _share(rows: pd.DataFrame) -> str:
    return f"{100 * int(rows['n_in_unit_interval'].sum()) / int(rows['n_params'].sum()):.2f} %"


MEASURED: dict[str, Callable[[Results], tuple[str, str]]] = {
    "dedup_saving": dedup_saving,
    "in_unit_interval": in_unit_interval,
}
"""Each gives our value and what it stands on."""


def claims(results: Results) -> pd.DataFrame:
    """One row a claim: claim, paper, source, ours, where (the notebook that shows it), note."""
    published = pd.read_csv(CLAIMS, dtype=str, keep_default_na=False)
    rows = []
    columns = [published[name] for name in ("what", "published", "source", "measure", "notebook")]
    for what, value, source, measure, notebook in zip(*columns, strict=True):
        ours, note = MEASURED[measure](results) if measure else (NOT_YET, "")
        where = f"notebooks/{notebook}.ipynb" if measure else ""
        rows.append([what, value, source, ours, where, note])
    return pd.DataFrame(rows, columns=pd.Index(["claim", "paper", "source", "ours", "where", "note"]))
