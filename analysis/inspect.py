"""One model without any YAML: a study of one entry, run in a scratch folder."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.config import Family, HubEntry, ModelEntry, PathEntry, Study
from analysis.config.load import registry
from analysis.errors import UsageError
from analysis.manifest import Manifest
from analysis.places import Places
from analysis.results import Results, read
from analysis.text import size, table


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
        """The same for a reader."""
        parts = [self._head(), _shown(self._by_dtype_and_role())]
        if layers:
            parts.append(_shown(self.results.layers[["layer", "role", "dtype", "shape", "bytes_stored", "alias_of"]]))
        parts += ["deduplication inside this model (ratio counts recipes and index):", _shown(self._stores())]
        return "\n\n".join(parts)

    def _head(self) -> str:
        model = self.results.models.iloc[0]
        formats = ", ".join(sorted(set(self.results.layers["format"]))) or "measured as bytes"
        return (
            f"{model['model']}: {model['n_files']} files ({formats}), {size(model['bytes'])}, "
            f"{model['n_layers']:,} layers, {model['n_params']:,} parameters"
        )

    def _by_dtype_and_role(self) -> pd.DataFrame:
        layers = self.results.layers
        grouped = layers.groupby(["dtype", "role"], as_index=False).agg(
            layers=("layer", "size"), parameters=("n_params", "sum"), bytes=("bytes_stored", "sum")
        )
        rest = self.results.bytes - int(layers["bytes_stored"].sum())
        row = {"dtype": "-", "role": "in no tensor", "layers": 0, "parameters": 0, "bytes": rest}
        data = pd.concat([grouped, pd.DataFrame([row])], ignore_index=True).sort_values("bytes", ascending=False)
        return data.assign(share=[f"{100 * value / max(1, self.results.bytes):.2f} %" for value in data["bytes"]])

    def _stores(self) -> pd.DataFrame:
        data = self.results.dedup("model")
        rounded = data.assign(ratio_payload=data["ratio_payload"].round(4), ratio=data["ratio"].round(4))
        return rounded[["granularity", "method", "n_units", "n_unique", "ratio_payload", "ratio"]]


def _shown(data: pd.DataFrame) -> str:
    return table(list(data.columns), data.itertuples(index=False))


def inspect(model: str, places: Places) -> Inspection:
    """Measure one model: a file, a folder or `hub:ORG/NAME`.

    Raises UsageError when there is no such file, ElfError with the reason when it cannot be read.
    """
    from analysis.steps import run_study

    measures = {name: measure.params() for name, measure in registry().items()}
    family = Family("inspect", "", (_entry(model),), Path())
    with tempfile.TemporaryDirectory() as scratch:
        study = Study("inspect", Path(scratch) / "inspect.yaml", (family,), measures)
        own = Places(places.cache, Path(scratch))
        finished = run_study(study, own, jobs=1)
        return Inspection(finished.manifest, read("inspect", finished.tables))


def _entry(model: str) -> ModelEntry:
    if model.startswith("hub:"):
        return HubEntry(hub=model.removeprefix("hub:"))
    path = Path(model).expanduser()
    if not path.exists():
        raise UsageError(f"{model}: no such file or folder; for a Hub repository write hub:ORG/NAME")
    return PathEntry(path=str(path.absolute()))
