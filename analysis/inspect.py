"""One model without any YAML: a study of one entry, run in a scratch folder."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from analysis.config import Family, HubEntry, ModelEntry, PathEntry, Study
from analysis.config.load import registry
from analysis.errors import UsageError
from analysis.manifest import Manifest
from analysis.places import Places
from analysis.results import Results, read
from analysis.text import count, size, table

SMALLEST_GAIN = 1.00005
"""A ratio that four decimals show as more than 1."""
PLAINEST_FIRST = ("identity", "file", "layer", "chunk", "parameter")
"""Of stores with the same ratio the plainest is named first."""


@dataclass(frozen=True)
class Inspection:
    """A study that is one model: its manifest and its tables."""

    manifest: Manifest
    results: Results

    def json(self) -> str:
        """Totals by dtype and role, layers, stores and failures for a script."""
        frames = {
            "by_dtype_and_role": self._by_dtype_and_role(),
            "layers": self.results.layers,
            "stores": self._stores(),
        }
        facts = {name: json.loads(frame.to_json(orient="records")) for name, frame in frames.items()}
        failures = self.results.failures.to_dict("records")
        return json.dumps({"bytes": self.results.bytes, **facts, "failures": failures}, indent=1)

    def text(self, *, layers: bool = False) -> str:
        """The same for a reader, the answer first."""
        if self.results.bytes == 0:
            return "nothing was measured"
        by_kind = self._by_dtype_and_role()
        by_kind["share"] = by_kind["share"].map("{:.2%}".format).str.replace("%", " %")
        parts = [f"{self._head()}\n{self._answer()}", _shown(by_kind)]
        if layers:
            parts.append(_shown(self.results.layers[["layer", "role", "dtype", "shape", "bytes_stored", "alias_of"]]))
        stores = self._stores()
        stores = stores.assign(**{name: stores[name].map("{:.4f}".format) for name in ("ratio_payload", "ratio")})
        parts += ["deduplication inside this model (ratio counts recipes and index):", _shown(stores)]
        return "\n\n".join(parts)

    def _answer(self) -> str:
        best = self._stores().iloc[0]
        if best["ratio"] < SMALLEST_GAIN:
            return "nothing to gain: deduplication inside this model saves nothing, recipes and index counted"
        saved = self.results.bytes * (1 - 1 / best["ratio"])
        return f"best: {best['granularity']} {best['method']}, {best['ratio']:.4f}x; saves {size(saved)}"

    def _head(self) -> str:
        model = self.results.models.iloc[0]
        formats = ", ".join(sorted(set(self.results.layers["format"]))) or "measured as bytes"
        return (
            f"{model['model']}: {count(model['n_files'], 'file')} ({formats}), {size(model['bytes'])}, "
            f"{count(model['n_layers'], 'layer')}, {count(model['n_params'], 'parameter')}"
        )

    def _by_dtype_and_role(self) -> pd.DataFrame:
        layers = self.results.layers
        grouped = layers.groupby(["dtype", "role"], as_index=False).agg(
            layers=("layer", "size"), parameters=("n_params", "sum"), bytes=("bytes_stored", "sum")
        )
        rest = self.results.bytes - int(layers["bytes_stored"].sum())
        row = {"dtype": "-", "role": "in no tensor", "layers": 0, "parameters": 0, "bytes": rest}
        data = pd.concat([grouped, pd.DataFrame([row])], ignore_index=True).sort_values("bytes", ascending=False)
        return data.assign(share=data["bytes"].astype("float64") / max(1, self.results.bytes))

    def _stores(self) -> pd.DataFrame:
        data = self.results.dedup("model")
        data = data.assign(plain=data["granularity"].map(PLAINEST_FIRST.index))
        data = data.sort_values(["ratio", "plain", "method"], ascending=[False, True, True], ignore_index=True)
        return data[["granularity", "method", "n_units", "n_unique", "ratio_payload", "ratio"]]


def _shown(data: pd.DataFrame) -> str:
    return table(list(data.columns), data.itertuples(index=False))


def inspect(model: str, places: Places) -> Inspection:
    """Measure one model: a file, a folder or `hub:ORG/NAME`.

    Raises UsageError when there is no such file or no repository can have this name.
    """
    from analysis.steps import run_study

    measures = {"hash_dedup": registry()["hash_dedup"].params()}
    family = Family("inspect", "", (_entry(model),), Path())
    with tempfile.TemporaryDirectory() as scratch:
        study = Study("inspect", Path(scratch) / "inspect.yaml", (family,), measures)
        own = Places(places.cache, Path(scratch))
        finished = run_study(study, own, jobs=1)
        return Inspection(finished.manifest, read("inspect", finished.tables))


def _entry(model: str) -> ModelEntry:
    path = Path(model).expanduser()
    try:
        if model.startswith("hub:"):
            return HubEntry(hub=model.removeprefix("hub:"))
        if not model or not path.exists():
            wanted = "no such file or folder; for a Hub repository write hub:ORG/NAME"
            raise UsageError(f"{model or repr(model)}: {wanted}")
        return PathEntry(path=str(path.absolute()))
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"{model}: {reason}") from error
