"""Whether this machine's tables are the committed ones: byte for byte, or within a tolerance where one is stated."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from analysis.places import PROJECT, Places, is_published
from analysis.provenance import machine, versions
from analysis.tables import TABLES, Table, read_table, write_atomically
from analysis.tables.spec import Tolerance
from elf.errors import ElfError


@dataclass(frozen=True)
class Agreement:
    """Tables identical to the published ones, those that differ only within their tolerance, those that differ."""

    identical: list[str]
    differing: dict[str, str]
    close: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counted = f"{len(self.identical)} tables identical to the committed ones, {len(self.differing)} differ"
        if self.close:
            counted += f"; within their tolerance: {', '.join(self.close)}"
        return "\n".join([counted, *(f"  {name}: {where}" for name, where in self.differing.items())])


def agreement(places: Places, study: str) -> Agreement | None:
    """Compare the tables of this machine's run with the published ones; None when the study is not published.

    Byte for byte, but for columns that have a tolerance: those depend on the machine's floating-point arithmetic.
    """
    fresh, committed = places.tables(study), (places.study(study), PROJECT / "results" / study)
    published = next((folder for folder in committed if is_published(folder)), None)
    if published is None:
        return None
    found = Agreement([], {})
    for table in TABLES.values():
        where = _first_difference(published / table.file, fresh / table.file)
        tolerant = where.startswith("differs") and any(column.tolerance for column in table.columns)
        beyond = _beyond(table, published, fresh) if tolerant else where
        if not where:
            found.identical.append(table.file)
        elif not beyond:
            found.close.append(table.file)
        else:
            found.differing[table.file] = beyond
    return found


def _beyond(table: Table, published: Path, fresh: Path) -> str:
    """The first column that is not within its tolerance, and in which row; empty when all are."""
    try:
        old, new = (read_table(folder, table) for folder in (published, fresh))
    except ElfError as error:
        return str(error)
    if len(old) != len(new):
        return f"has {len(new)} rows, the committed one {len(old)}"
    for column in table.columns:
        apart = _apart(old[column.name], new[column.name], column.tolerance)
        if apart.any():
            row = ", ".join(str(new.at[apart.idxmax(), key]) for key in table.key)
            return f"{column.name} differs by more than its tolerance, first for {row}"
    return ""


def _apart(old: pd.Series, new: pd.Series, tolerance: Tolerance | None) -> pd.Series:
    """Which rows do not agree; what is missing in one must be missing in the other."""
    missing = old.isna() != new.isna()
    if tolerance is None:
        return missing | ((old != new) & old.notna()).fillna(value=False)
    if old.dtype == "boolean":
        return missing
    before, after = old.astype("float64"), new.astype("float64")
    same = (before == after) | before.isna()
    return missing | ~(same | ((before - after).abs() <= tolerance.absolute + tolerance.relative * before.abs()))


def _first_difference(published: Path, fresh: Path) -> str:
    if not published.exists() or not fresh.exists():
        return "not published" if fresh.exists() else "not made by this run"
    old, new = published.read_bytes(), fresh.read_bytes()
    if old == new:
        return ""
    lines = zip_longest(old.splitlines(), new.splitlines())
    number = next((i for i, (a, b) in enumerate(lines, 1) if a != b), 0)
    return f"differs first in line {number}"


def publish(places: Places, study: str) -> None:
    """Make this machine's tables the published ones, with the versions that made them.

    Raises ElfError when the study has not been run here.
    """
    fresh, published = places.tables(study), places.study(study)
    if missing := [table.file for table in TABLES.values() if not (fresh / table.file).exists()]:
        raise ElfError(f"{fresh}: {missing[0]} is missing; run the study before publishing it")
    for table in TABLES.values():
        if fresh != published:
            shutil.copyfile(fresh / table.file, published / table.file)
    record = {"study": study, "versions": versions(), "machine": machine()}
    write_atomically(published / "published.json", (json.dumps(record, indent=1) + "\n").encode())
