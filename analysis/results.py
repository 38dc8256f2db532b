"""A study's tables as typed frames, and the ratios that are computed where they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.places import PROJECT, places
from analysis.tables import TABLES, read_table
from analysis.text import count
from elf.errors import ElfError

SCOPES = ("file", "model", "family", "study", "without_family")
PART_ONLY = {"layer", "parameter"}
"""Granularities that see tensors only: the rest of the file is added, so that every store holds whole files."""


@dataclass(frozen=True, repr=False)
class Results:
    """The tables of one study; each table of `analysis.tables` is an attribute."""

    study: str
    folder: Path
    tables: Mapping[str, pd.DataFrame]

    def __getattr__(self, name: str) -> pd.DataFrame:
        tables: Mapping[str, pd.DataFrame] = self.__dict__.get("tables", {})
        if name not in tables:
            raise AttributeError(f"{name!r} is no table of a study; there are: {', '.join(tables)}")
        return tables[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.tables]

    def __repr__(self) -> str:
        return f"Results({self.study!r}: {self.coverage}; tables: {', '.join(TABLES)})"

    @property
    def originals(self) -> pd.DataFrame:
        """The models that were pulled, not made here."""
        return self.models[~self.models["derived"]]

    @property
    def bytes(self) -> int:
        """Bytes of all original models as stored: the denominator."""
        return int(self.originals["bytes"].sum())

    @property
    def coverage(self) -> str:
        """How many models and files the numbers stand on, for captions."""
        missing = len(self.failures)
        files, models = int(self.originals["n_files"].sum()), len(self.originals)
        held = f"{count(models, 'model')}, {count(files, 'file')}, {self.bytes / 1e6:.1f} MB"
        return held + (f"; {missing} not measured" if missing else "")

    def dedup(self, scope: str = "study") -> pd.DataFrame:
        """Whole deduplicating stores of one scope, one row per (granularity, method, name), with ratio and saving.

        `bytes_in` are all bytes of the files. `ratio_payload` counts only what is kept, `ratio` also the recipes and
        the index. Layer and parameter stores are completed with the bytes that are in no tensor; parameter stores of
        all dtypes are added up as method `distinct`. Raises ElfError for a scope that there is none of.
        """
        if scope not in SCOPES:
            raise ElfError(f"{scope!r} is no scope of a store; there are: {', '.join(SCOPES)}")
        return with_ratios(_whole_stores(self.hash_dedup[self.hash_dedup["scope"] == scope]))

    def without_families(self) -> pd.DataFrame:
        """What file, layer and chunk stores would be without each family: `name` is the family that is left out."""
        rows = self.hash_dedup[self.hash_dedup["scope"] == "without_family"]
        families = self.originals.groupby("family")["bytes"].sum()
        left = self.bytes - rows["name"].map(families).astype("Int64")
        gone = left - rows["bytes_in"]  # what no layer holds
        return with_ratios(rows.assign(bytes_in=left, bytes_payload=rows["bytes_payload"] + gone))

    def savings(self) -> pd.DataFrame:
        """What each store saves of the whole study (kept bytes alone, then everything counted), the best first.

        Beside it, everything counted: the saving of the median and of the best model with a store of its own.
        """
        models = self.dedup("model")
        alone = models[models["name"].isin(self.originals["model"])].groupby(STORE)["saving"].agg(["median", "max"])
        data = self.dedup().set_index(STORE)[["saving_payload", "saving"]].join(alone).reset_index()
        data.columns = pd.Index([*STORE, "kept bytes only", "with metadata", "median model alone", "best model alone"])
        return data.sort_values("with metadata", ascending=False, kind="stable", ignore_index=True)

    def family_ranges(self, saving: str = "saving") -> pd.DataFrame:
        """The least and the most that each store saves when one family is left out, and which family that is.

        `saving` counts metadata, `saving_payload` kept bytes only.
        """
        whole = self.dedup().set_index(STORE)[saving]
        rows = []
        for store, data in self.without_families().groupby(STORE):
            ordered = data.sort_values(saving, kind="stable").dropna(subset=saving)
            if len(ordered):
                least, most = ordered.iloc[0], ordered.iloc[-1]
                rows.append([*store, whole.get(store), least[saving], least["name"], most[saving], most["name"]])
        return pd.DataFrame(
            rows, columns=pd.Index([*STORE, "all families", "least", "least: without", "most", "most: without"])
        )


STORE = ["granularity", "method"]
SIZES = ["n_units", "n_unique", "bytes_in", "bytes_payload", "bytes_recipe", "bytes_index"]


def _whole_stores(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(method=rows["method"].mask(rows["granularity"] == "parameter", "distinct"))
    summed = rows.groupby(["granularity", "method", "name"], as_index=False)[SIZES].sum()
    rest = summed[summed["granularity"] == "rest"].set_index("name")["bytes_in"]
    added = summed["name"].map(rest).where(summed["granularity"].isin(PART_ONLY), 0).fillna(0).astype("Int64")
    whole = summed.assign(bytes_in=summed["bytes_in"] + added, bytes_payload=summed["bytes_payload"] + added)
    return whole[whole["granularity"] != "rest"].reset_index(drop=True)


def with_ratios(stores: pd.DataFrame) -> pd.DataFrame:
    """Add ratio (bytes in / bytes out) and saving (1 - 1 / ratio), of the payload alone and with all metadata."""
    size_in = stores["bytes_in"].astype("float64")
    payload = stores["bytes_payload"].astype("float64")
    everything = payload + stores["bytes_recipe"].astype("float64") + stores["bytes_index"].astype("float64")
    return stores.assign(
        ratio_payload=size_in / payload,
        ratio=size_in / everything,
        saving_payload=1 - payload / size_in,
        saving=1 - everything / size_in,
    )


def load(study: str, results: Path | None = None) -> Results:
    """The tables of a study by its name: of this machine's run if there is one, else the published ones.

    Raises ElfError when the study has neither.
    """
    where = places(results=results)
    fresh, published = where.tables(study), where.study(study)
    folder = fresh if (fresh / "models.csv").exists() else published
    if not folder.is_dir():
        raise ElfError(f"{published}: {_no_results(study)}")
    return read(study, folder)


def _no_results(study: str) -> str:
    """What to do about a study without tables."""
    if (PROJECT / "configs" / f"{study}.yaml").is_file():
        return f"the study {study!r} has no tables yet; run it: python -m analysis run {study}"
    there = ", ".join(sorted(path.stem for path in (PROJECT / "configs").glob("*.yaml") if ".lock" not in path.name))
    return f"no study of this name has tables; run its YAML file, or one of configs/ ({there})"


def read(study: str, folder: Path) -> Results:
    """The tables in one folder."""
    return Results(study, folder, {name: read_table(folder, table) for name, table in TABLES.items()})
