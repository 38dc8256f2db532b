"""Whether this machine's tables are the committed ones, byte for byte."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from analysis.places import PROJECT, Places, is_published
from analysis.provenance import machine, versions
from analysis.tables import TABLES, write_atomically
from elf.errors import ElfError


@dataclass(frozen=True)
class Agreement:
    """Tables that are identical to the published ones, and those that differ with their first differing line."""

    identical: list[str]
    differing: dict[str, str]

    def __str__(self) -> str:
        counted = f"{len(self.identical)} tables identical to the committed ones, {len(self.differing)} differ"
        return "\n".join([counted, *(f"  {name}: {where}" for name, where in self.differing.items())])


def agreement(places: Places, study: str) -> Agreement | None:
    """Compare the tables of this machine's run with the published ones; None when the study is not published."""
    fresh, committed = places.tables(study), (places.study(study), PROJECT / "results" / study)
    published = next((folder for folder in committed if is_published(folder)), None)
    if published is None:
        return None
    identical, differing = [], {}
    for table in TABLES.values():
        where = _first_difference(published / table.file, fresh / table.file)
        if where:
            differing[table.file] = where
        else:
            identical.append(table.file)
    return Agreement(identical, differing)


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
