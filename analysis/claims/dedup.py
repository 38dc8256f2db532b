"""What hash deduplication and counting parameters say about the claims."""

from __future__ import annotations

import pandas as pd

from analysis.results import Results
from analysis.text import NOTHING


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


MEASURED = {"dedup_saving": dedup_saving, "in_unit_interval": in_unit_interval}
