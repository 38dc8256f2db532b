"""Twins: what they are, and what a store that knows them would drop."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.aggregate.hash_dedup import REFERENCE_BYTES
from analysis.shard_index import ShardIndex
from analysis.tables import frame
from analysis.tables.relatives import TWINS

MEASURE = "twins"
REORDERED = "reordered"


def tables(index: ShardIndex, _: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The table `twins`."""
    found = linked(index)
    if found.empty:
        return {"twins": frame(TWINS, [])}
    recipe = (found["bytes_saved"] > 0) * REFERENCE_BYTES
    return {"twins": found.assign(bytes_recipe=recipe, method_version=index.manifest.measures[MEASURE])}


def linked(index: ShardIndex) -> pd.DataFrame:
    """Every twin that is not already one of an earlier twin of it, with the bytes that it saves.

    Beside the columns of `twins`, `dropped` and `kept` are contents (hexadecimal XXH3-128), empty where nothing is
    saved. Dropped contents are distinct, and what is kept for them, in the end, is dropped by none.
    """
    found = index.group_rows(MEASURE, "twins")
    if found.empty:
        return found
    if "model_b" not in found:  # only twins inside files
        found = found.assign(model_b=None, file_b=None)
    in_one_file = found["model_b"].isna()
    for name in ("model", "file"):
        found[f"{name}_b"] = found[f"{name}_b"].mask(in_one_file, found[f"{name}_a"])
    links = _Links()
    rows: Any = found.to_dict("records")
    saved = [links.add(row) for row in rows]
    columns = pd.DataFrame(saved, columns=pd.Index(["bytes_saved", "dropped", "kept", "new"]), index=found.index)
    joined = pd.concat([found, columns], axis=1)
    return joined[joined["new"]].drop(columns="new").reset_index(drop=True)


class _Links:
    """Sets of contents that can be made from each other, each with the one that is kept: the first of the smallest."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, str]] = {}
        self._set: dict[str, str] = {}
        self._reshaped: set[tuple[str, str, str]] = set()

    def add(self, row: dict[str, Any]) -> tuple[int, str, str, bool]:
        """Bytes saved by this twin, the content dropped and kept, and whether it says anything new."""
        a, b = str(row["content_a"]), str(row["content_b"])
        if REORDERED in row["kind"] or a == b:
            said = (b, str(row["shape_b"]), str(row["dtype_b"]))
            new = said not in self._reshaped
            self._reshaped.add(said)
            return 0, "", "", new
        one, two = self._root(a, int(row["bytes_a"])), self._root(b, int(row["bytes_b"]))
        if one == two:
            return 0, "", "", False
        keep, drop = (one, two) if self._kept[one][0] <= self._kept[two][0] else (two, one)
        self._set[drop] = keep
        return self._kept[drop][0], self._kept[drop][1], self._kept[keep][1], True

    def _root(self, content: str, size: int) -> str:
        self._kept.setdefault(content, (size, content))
        while (parent := self._set.get(content)) is not None:
            content = parent
        return content
