"""Tables as notebooks show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.api.types import is_integer_dtype, is_numeric_dtype
from pandas.io.formats.style import Styler

from analysis.text import count


@dataclass(frozen=True, repr=False)
class Shown:
    """A table of a page; its text names no place in memory, so that two executions give the same notebook."""

    name: str
    n_rows: int
    style: Styler

    def __repr__(self) -> str:
        return f"table {self.name}: {count(self.n_rows, 'row')}"

    def _repr_html_(self) -> str:
        return str(self.style.to_html())


def shown(data: pd.DataFrame, name: str, formats: Mapping[str, str] | None = None) -> Shown:
    """A table without its index, text and its headers to the left, integers with separators.

    `name` tells it from the other tables of a page; the same table is the same HTML in every execution.
    """
    chosen: Any = {column: "{:,}" for column in data.columns if is_integer_dtype(data[column])} | dict(formats or {})
    left: Any = [{"selector": kind, "props": "text-align: left"} for kind in ("th", "td")]
    texts = [column for column in data.columns if not is_numeric_dtype(data[column])]
    style = data.reset_index(drop=True).style.hide(axis="index").set_uuid(name).format(chosen, na_rep="-")
    return Shown(name, len(data), style.set_table_styles(dict.fromkeys(texts, left), overwrite=False))
