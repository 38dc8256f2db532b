"""From a YAML file and what it includes to a checked study, or to everything that is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError, create_model

from analysis.config.document import Document, read_document
from analysis.config.entries import FamilyFile, ModelEntry, Strict, label_of
from analysis.config.explain import explain
from analysis.config.problems import ConfigError, Location, Problem, key_path, nearest

_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]*\w)?", re.ASCII)


class HasParams(Protocol):
    """What the configuration needs to know of a measure: the class of its parameters."""

    @property
    def params(self) -> type[BaseModel]:
        """The class of the measure's parameters, all with defaults."""


@dataclass(frozen=True)
class Family:
    """A family of a study, and the file it was written in."""

    name: str
    task: str
    models: tuple[ModelEntry, ...]
    origin: Path


@dataclass(frozen=True)
class Study:
    """A checked study: its families as written, included ones first, and its measures with their parameters."""

    name: str
    path: Path
    families: tuple[Family, ...]
    measures: dict[str, BaseModel]


def load_study(path: Path, measures: Mapping[str, HasParams] | None = None) -> Study:
    """Read a study. `measures` are the known ones, by default `analysis.measures.MEASURES`.

    Raises ConfigError with every mistake in the file and in the files it includes.
    """
    known = registry() if measures is None else measures
    if not _NAME.fullmatch(path.stem):
        reason = "a study is called by its file's name, which names folders: letters, digits, and . _ - inside"
        raise ConfigError([Problem(path, 1, "", reason)])
    reading = _Reading()
    root = reading.read(path, study_model(known))
    reading.check_names()
    if not reading.families and not reading.problems:
        reading.problems.append(Problem(path, 1, "", "names no models: it needs `families` or `include`"))
    if reading.problems or root is None:
        raise ConfigError(sorted(reading.problems, key=lambda problem: (reading.order(problem.file), problem)))
    return Study(path.stem, path, tuple(reading.families), _measures(root, known))


def registry() -> Mapping[str, HasParams]:
    """The measures there are; imported only now because measures are built above the configuration."""
    from analysis.measures import MEASURES

    return MEASURES


def study_model(measures: Mapping[str, HasParams]) -> type[FamilyFile]:
    """The class of a study file, for the measures that are known."""
    fields: dict[str, Any] = {name: (measure.params | None, None) for name, measure in measures.items()}
    doc = "The measures to take, with their parameters; left out: all of them with their defaults."
    chosen: Any = create_model("Measures", __base__=Strict, __doc__=doc, **fields)
    doc = "A study: which models, which measures."
    return create_model("Study", __base__=FamilyFile, __doc__=doc, measures=(chosen | None, None))


def _measures(root: BaseModel, known: Mapping[str, HasParams]) -> dict[str, BaseModel]:
    """The parameters of the measures asked for; an empty `measures:` and none at all ask for every one.

    The first of all measures is always taken: what a file consists of is what the others are tables of.
    """
    asked: BaseModel | None = getattr(root, "measures", None)
    first = next(iter(known), None)
    names = [name for name in known if asked is None or name in asked.model_fields_set or name == first]
    return {name: getattr(asked, name, None) or known[name].params() for name in names}


_Taken = dict[str, tuple[Document, Location]]


@dataclass
class _Reading:
    """The files of one study as they are read."""

    problems: list[Problem] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    documents: dict[Path, Document] = field(default_factory=dict)
    labels: _Taken = field(default_factory=dict)

    def read(self, path: Path, kind: type[FamilyFile]) -> FamilyFile | None:
        """Read a file and what it includes; None when something is wrong with it."""
        document = self.documents[path.resolve()] = read_document(path)
        root = None
        if document.data is not None:
            root = self._validate(document, kind)
            self._include(document)
        self.problems += document.problems
        if root is not None:
            self.families += [Family(family.name, family.task or "", family.models, path) for family in root.families]
        return root

    def _validate(self, document: Document, kind: type[FamilyFile]) -> FamilyFile | None:
        try:
            return kind.model_validate_json(json.dumps(document.data))
        except ValidationError as error:
            explain(document, error, kind)
            return None

    def _include(self, document: Document) -> None:
        for location, name in _texts(document.data, "include"):
            path = document.path.parent / Path(name).expanduser()
            if path.resolve() in self.documents:
                document.blame(location, f"{name} is already part of this study: included twice, or in a circle")
            elif not path.is_file():
                document.blame(location, f"{path} is not a file")
            else:
                self.read(path, FamilyFile)

    def check_names(self) -> None:
        """Names that are taken, and derivations of models that are not there."""
        families: _Taken = {}
        for document in self.documents.values():
            for location, family in _mappings(document.data, ("families",)):
                self._claim(families, family.get("name"), document, (*location, "name"), "family")
                for place, entry in _mappings(family, (*location, "models")):
                    self._claim(self.labels, label_of(entry), document, place, "model")
        derived = {label for label, (document, place) in self.labels.items() if "derive" in _at(document.data, place)}
        for document in self.documents.values():
            self._check_derivations(document, derived)

    def _claim(self, taken: _Taken, name: Any, document: Document, place: Location, what: str) -> None:
        if not isinstance(name, str):
            return
        if name not in taken:
            taken[name] = document, place
            return
        other, where = taken[name]
        advice = "; give one of them a `name`" if what == "model" else ""
        reason = f"the {what} {name!r} is already in {other.path}:{other.line(where)}{advice}"
        self.problems.append(Problem(document.path, document.line(place), key_path(place), reason))

    def _check_derivations(self, document: Document, derived: set[str]) -> None:
        for place, entry in _entries(document.data):
            derive = entry.get("derive")
            base = derive.get("from") if isinstance(derive, dict) else None
            if not isinstance(base, str) or (base in self.labels and base not in derived):
                continue
            why = "is itself derived" if base in derived else "is no model of this study"
            location = (*place, "derive", "from")
            reason = f"{base!r} {why}{nearest(base, self.labels.keys() - derived)}"
            self.problems.append(Problem(document.path, document.line(location), key_path(location), reason))

    def order(self, file: Path) -> int:
        """Problems are told in the order in which the files were read."""
        return list(self.documents).index(file.resolve())


def _entries(data: Any) -> Iterator[tuple[Location, dict[str, Any]]]:
    for location, family in _mappings(data, ("families",)):
        yield from _mappings(family, (*location, "models"))


def _mappings(parent: Any, location: Location) -> Iterator[tuple[Location, dict[str, Any]]]:
    """The mappings in the list that `parent` has under the last key of `location`, whatever else is there."""
    children = parent.get(location[-1]) if isinstance(parent, dict) else None
    for index, child in enumerate(children if isinstance(children, list) else []):
        if isinstance(child, dict):
            yield (*location, index), child


def _texts(parent: Any, key: str) -> Iterator[tuple[Location, str]]:
    children = parent.get(key) if isinstance(parent, dict) else None
    for index, child in enumerate(children if isinstance(children, list) else []):
        if isinstance(child, str):
            yield (key, index), child


def _at(data: Any, location: Location) -> Any:
    for part in location:
        data = data[part]
    return data
