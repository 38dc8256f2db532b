"""One metric of two models, from what each said of every item."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from analysis.accuracy.base import Metric
from analysis.accuracy.statistics import Compared, draws, pearson, share

_draws = lru_cache(maxsize=2)(draws)


def compared(metric: Metric, before: pd.DataFrame, after: pd.DataFrame) -> Compared | None:
    """The metric of both models, from points of the same items in the same order; None when there are none."""
    old, new = (points[points["metric"] == metric.name].reset_index(drop=True) for points in (before, after))
    assert old[["item", "other"]].equals(new[["item", "other"]])
    values = (old["value"].to_numpy(), new["value"].to_numpy(), old["weight"].to_numpy())
    if not old["weight"].sum():
        return None
    if metric.kind == "share":
        return share(*values, _draws(len(old)))
    items = {name: number for number, name in enumerate(dict.fromkeys([*old["item"], *old["other"]]))}
    pairs = np.stack([old[side].map(items).to_numpy(np.int64) for side in ("item", "other")], axis=1)
    return pearson(*values, pairs, _draws(len(items)))
