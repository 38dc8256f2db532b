"""Two studies side by side: what they hold and what every store makes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pandas as pd

from analysis.results import Results
from analysis.text import size, table


@dataclass(frozen=True)
class Comparison:
    """Ratios of every whole store in two studies; `models` both, only in the first, only in the second."""

    a: Results
    b: Results
    models: dict[str, int]
    stores: pd.DataFrame

    def json(self) -> str:
        """The same for a script."""
        studies = {"a": self.a.study, "b": self.b.study}
        facts = {**studies, "bytes_a": self.a.bytes, "bytes_b": self.b.bytes, "models": self.models}
        stores = json.loads(self.stores.to_json(orient="records"))
        return json.dumps(facts | {"stores": stores}, indent=1)

    def __str__(self) -> str:
        a, b = self.a.study, self.b.study
        counted = ", ".join(f"{n} models {where}" for where, n in self.models.items())
        head = f"{a}: {size(self.a.bytes)}; {b}: {size(self.b.bytes)}; {counted}"
        rows = [
            (row["granularity"], row["method"], *map(_ratio, (row["ratio_a"], row["ratio_b"], row["b_over_a"])))
            for row in self.stores.to_dict("records")
        ]
        shown = table(["granularity", "method", f"ratio {a}", f"ratio {b}", f"{b} / {a}"], rows)
        return f"{head}\nratio = bytes in / bytes out, recipes and index counted\n\n{shown}"


def _ratio(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.4f}"


def compare(a: Results, b: Results) -> Comparison:
    """Compare two studies by their tables."""
    names_a, names_b = set(a.originals["model"]), set(b.originals["model"])
    models = {"in both": len(names_a & names_b), f"only in {a.study}": len(names_a - names_b)}
    models |= {f"only in {b.study}": len(names_b - names_a)}
    keys, columns = ["granularity", "method"], ["ratio_payload", "ratio"]
    stores = a.dedup()[keys + columns].merge(b.dedup()[keys + columns], on=keys, how="outer", suffixes=("_a", "_b"))
    stores = stores.assign(b_over_a=stores["ratio_b"] / stores["ratio_a"])
    return Comparison(a, b, models, stores.sort_values(keys, ignore_index=True))
