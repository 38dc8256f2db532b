"""Two studies side by side: what they hold and what every store makes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pandas as pd

from analysis.results import Results
from analysis.text import count, size, table


@dataclass(frozen=True)
class Comparison:
    """Ratios of every whole store in two studies; `models` both, only in the first, only in the second.

    Models that were made here (`derive:`) are no part of either.
    """

    a: Results
    b: Results
    models: dict[str, int]
    stores: pd.DataFrame

    def json(self) -> str:
        """The same for a script."""
        studies = {"a": self.a.study, "b": self.b.study}
        derived = {"derived_a": _derived(self.a), "derived_b": _derived(self.b)}
        facts = {**studies, "bytes_a": self.a.bytes, "bytes_b": self.b.bytes, **derived, "models": self.models}
        stores = json.loads(self.stores.to_json(orient="records"))
        return json.dumps(facts | {"stores": stores}, indent=1)

    def __str__(self) -> str:
        a, b = self.a.study, self.b.study
        counted = ", ".join(f"{count(n, 'model')} {where}" for where, n in self.models.items())
        head = f"{_held(self.a)}; {_held(self.b)}; {counted}"
        rows = [
            (row["granularity"], row["method"], *map(_ratio, (row["ratio_a"], row["ratio_b"], row["b_over_a"])))
            for row in self.stores.to_dict("records")
        ]
        shown = table(["granularity", "method", f"ratio {a}", f"ratio {b}", f"{b} / {a}"], rows)
        return f"{head}\nratio = bytes in / bytes out, recipes and index counted\n\n{shown}"


def _derived(study: Results) -> int:
    return len(study.models) - len(study.originals)


def _held(study: Results) -> str:
    derived = _derived(study)
    return f"{study.study}: {size(study.bytes)}" + (f" + {derived} derived not counted" if derived else "")


def _ratio(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.4f}"


def compare(a: Results, b: Results) -> Comparison:
    """Compare two studies by their tables."""
    names_a, names_b = set(a.originals["model"]), set(b.originals["model"])
    models = {"in both": len(names_a & names_b), f"only in {a.study}": len(names_a - names_b)}
    models |= {f"only in {b.study}": len(names_b - names_a)}
    keys, columns = ["granularity", "method"], ["ratio_payload", "ratio"]
    stores_a, stores_b = (
        study.dedup().set_index(keys)[columns].add_suffix(side) for study, side in ((a, "_a"), (b, "_b"))
    )
    stores = stores_a.join(stores_b, how="outer").reset_index()
    stores = stores.assign(b_over_a=stores["ratio_b"] / stores["ratio_a"])
    return Comparison(a, b, models, stores.sort_values(keys, ignore_index=True))
