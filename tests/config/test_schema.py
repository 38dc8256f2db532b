"""The schema for editors, and the studies that come with the project."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from analysis.config import HubEntry, PypiEntry, Study, load_study
from analysis.config.schema import SCHEMA, schema_text

CONFIGS = SCHEMA.parent
FAMILIES = sorted((CONFIGS / "families").glob("*.yaml"))
STUDIES = sorted(path for path in CONFIGS.glob("*.yaml") if not path.name.endswith(".lock.yaml"))


def study(name: str) -> Study:
    return load_study(CONFIGS / f"{name}.yaml")


def entries(name: str) -> list[PypiEntry | HubEntry]:
    return [
        entry for family in study(name).families for entry in family.models if isinstance(entry, PypiEntry | HubEntry)
    ]


def test_the_committed_schema_is_up_to_date() -> None:
    assert SCHEMA.read_text() == schema_text(), "write it anew with: python -m analysis.config.schema"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_committed_study_is_valid(path: Path) -> None:
    assert load_study(path).families


@pytest.mark.parametrize("path", STUDIES + FAMILIES, ids=lambda path: path.name)
def test_every_committed_file_tells_editors_its_schema(path: Path) -> None:
    line = path.read_text().splitlines()[0]
    assert (path.parent / line.removeprefix("# yaml-language-server: $schema=")).resolve() == SCHEMA


def test_the_tiny_study_is_a_part_of_the_default_study_file_by_file() -> None:
    default, tiny = entries("default"), entries("tiny")
    assert (len(default), len(tiny)) == (20, 6)
    assert all(entry in default for entry in tiny)
    assert {family.name for family in study("tiny").families} <= {family.name for family in study("default").families}


def test_every_family_file_is_part_of_the_default_study() -> None:
    origins = {family.origin.resolve() for family in study("default").families}
    assert origins == set(FAMILIES)


def test_the_paper_study_names_461_repositories_by_task() -> None:
    families = study("paper").families
    assert len(entries("paper")) == 461
    assert all(family.name == family.task for family in families)
    assert Counter({family.name: len(family.models) for family in families}).most_common(2) == [
        ("text-classification", 84),
        ("text-generation", 71),
    ]


def test_the_authors_study_is_the_three_models_of_their_example() -> None:
    assert [entry.label for entry in entries("authors")] == [
        "albert/albert-base-v2",
        "sentence-transformers/all-MiniLM-L6-v2",
        "distilbert/distilbert-base-cased",
    ]
