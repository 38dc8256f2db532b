"""What there is: studies, and what a study can name; and a first study to start from."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis.errors import UsageError
from analysis.places import PROJECT, Places, is_published
from analysis.tables import write_atomically
from analysis.text import table

FIRST_STUDY = """# A study: which models, which measures. Check it with: python -m analysis validate configs/{name}.yaml
families:
  - name: my-models
    task: text-generation
    models:
      - path: ~/models/run7              # a file or a folder
      # - hub: org/name                  # a Hub repository; its commit is written to {name}.lock.yaml
      # - hub_cache: "org/*"             # what your Hugging Face cache already holds
# measures:                              # left out: every measure with its defaults
#   hash_dedup: {{fixed: [4096, 65536], fastcdc: [65536], xet: true}}
"""


@dataclass(frozen=True)
class Entry:
    """One study of configs/: what it names (`models` is None when its YAML is not valid) and what of it is here."""

    study: str
    models: int | None
    published: bool
    run_here: bool


@dataclass(frozen=True)
class Listing:
    """All studies, formats and measures."""

    studies: list[Entry]
    formats: list[str]
    measures: list[str]

    def json(self) -> str:
        """The same for a script."""
        return json.dumps(asdict(self), indent=1)

    def __str__(self) -> str:
        rows = [
            (e.study, "not valid" if e.models is None else e.models, _tick(e.published), _tick(e.run_here))
            for e in self.studies
        ]
        shown = table(["study", "model entries", "committed", "run here"], rows)
        return f"{shown}\n\nformats: {', '.join(self.formats)}\nmeasures: {', '.join(self.measures)}"


def _tick(value: bool) -> str:
    return "yes" if value else "no"


def listing(places: Places) -> Listing:
    """What configs/ holds, and what is registered."""
    from analysis.measures import MEASURES
    from elf.formats import FORMATS

    paths = sorted(path for path in (PROJECT / "configs").glob("*.yaml") if not path.name.endswith(".lock.yaml"))
    return Listing([_entry(path, places) for path in paths], sorted(FORMATS), sorted(MEASURES))


def _entry(path: Path, places: Places) -> Entry:
    from analysis.config import ConfigError, load_study

    study = path.stem
    models: int | None
    try:
        models = sum(len(family.models) for family in load_study(path).families)
    except ConfigError:
        models = None
    run_here = (places.local(study) / "manifest.json").exists()
    return Entry(study, models, is_published(places.study(study)), run_here)


def write_first_study(name: str) -> Path:
    """Write configs/NAME.yaml. Raises UsageError when the name will not do or is taken."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise UsageError(f"{name}: a study's name is lower-case letters, digits, - and _, for it names files")
    path = PROJECT / "configs" / f"{name}.yaml"
    if path.exists():
        raise UsageError(f"{path}: exists already; choose another name")
    write_atomically(path, FIRST_STUDY.format(name=name).encode())
    return path
