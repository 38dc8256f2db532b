"""YAML as plain values that remember their lines; what two YAML readers read differently is a problem, not a guess."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from analysis.config.problems import Location, Problem, key_path

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_DIGITS = 18

_YAML = "tag:yaml.org,2002:"
_TEXT = (f"{_YAML}str", f"{_YAML}merge", f"{_YAML}value")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass
class Document:
    """One YAML file: its values, the line and the spelling of each, and what is wrong with it as YAML."""

    path: Path
    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    spelling: dict[Location, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """The line of a value, or of the nearest thing around it that has one."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def blame(self, location: Location, reason: str) -> None:
        """Note a problem at `location`."""
        self.problems.append(Problem(self.path, self.line(location), key_path(location), reason))


class _Loader(yaml.SafeLoader):
    """Composes nodes of bounded depth, without aliases."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.aliases: list[yaml.AliasEvent] = []

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            self.aliases.append(event)
            return yaml.ScalarNode(f"{_YAML}null", "", event.start_mark)  # type: ignore[arg-type]
        if self.depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(None, None, f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read_document(path: Path) -> Document:
    """Read a YAML file. Whatever is wrong with it, a missing file included, is in `problems` of what is returned."""
    document = Document(path)
    try:
        root = _compose(document, _read_text(path))
    except _UnreadableError as error:
        document.problems.append(Problem(path, error.line, "", str(error)))
        return document
    if root is None:
        document.blame((), "is empty: a study needs at least `families` or `include`")
        return document
    document.data = _value(document, root, ())
    return document


class _UnreadableError(Exception):
    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise _UnreadableError("is not a file" if path.exists() else "no such file")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _UnreadableError(f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise _UnreadableError(f"is larger than {MAX_BYTES >> 20} MiB; split it into families with `include`")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _UnreadableError("is not UTF-8 text", content[: error.start].count(b"\n") + 1) from error


def _compose(document: Document, text: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        raise _UnreadableError(f"is not valid YAML: {reason}", mark.line + 1 if mark else 0) from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _UnreadableError(f"has a character that YAML does not allow: {error.character:#x}", line) from error
    for alias in loader.aliases:
        reason = f"`*{alias.anchor}`: anchors and aliases are not read; write the value out"
        document.problems.append(Problem(document.path, _line(alias), "", reason))
    return root


def _line(place: yaml.Node | yaml.Event) -> int:
    return place.start_mark.line + 1 if place.start_mark else 1


def _value(document: Document, node: yaml.Node, location: Location) -> Any:
    document.lines.setdefault(location, _line(node))
    if isinstance(node, yaml.ScalarNode):
        document.spelling[location] = node.value
        return _scalar(document, node, location)
    if isinstance(node, yaml.MappingNode):
        _plain_tag(document, node, location, "map")
        return _mapping(document, node, location)
    _plain_tag(document, node, location, "seq")
    return [_value(document, child, (*location, index)) for index, child in enumerate(node.value)]


def _plain_tag(document: Document, node: yaml.Node, location: Location, kind: str) -> None:
    if node.tag != _YAML + kind:
        document.blame(location, f"has the tag {node.tag!r}; tags are not read")


def _mapping(document: Document, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _key(document, key_node, location)
        if key is None:
            continue
        place = (*location, key)
        if key in values:
            reason = f"is given twice, first in line {document.lines[place]}; keep one"
            document.problems.append(Problem(document.path, _line(key_node), key_path(place), reason))
            continue
        document.lines[place] = _line(key_node)
        values[key] = _value(document, value_node, place)
    return values


def _key(document: Document, node: yaml.Node, location: Location) -> str | None:
    """The key as text; what is not text is blamed on the line of the key."""
    line = _line(node)
    if not isinstance(node, yaml.ScalarNode):
        document.problems.append(Problem(document.path, line, key_path(location), "a key must be a word"))
        return None
    if node.tag not in _TEXT:
        reason = f"the key `{node.value}` is not read as text by YAML; write it in quotes: '{node.value}'"
        document.problems.append(Problem(document.path, line, key_path(location), reason))
        return None
    return str(node.value)


def _scalar(document: Document, node: yaml.ScalarNode, location: Location) -> Any:
    """The value that YAML 1.1 and 1.2 agree on; where they do not, a problem and None."""
    text = node.value
    if node.tag in _TEXT:
        return float(text) if node.style is None and _FLOAT.fullmatch(text) else text
    if node.tag == f"{_YAML}null":
        return None
    if node.tag == f"{_YAML}bool" and _BOOL.fullmatch(text):
        return text.lower() == "true"
    if node.tag == f"{_YAML}int" and _INT.fullmatch(text) and len(text) <= MAX_DIGITS:
        return int(text)
    if node.tag == f"{_YAML}float" and _FLOAT.fullmatch(text):
        return float(text)
    document.blame(location, _trap(node))
    return None


def _trap(node: yaml.ScalarNode) -> str:
    kind = node.tag.removeprefix(_YAML)
    quoted = f"'{node.value}'"
    if kind == "bool":
        return (
            f"`{node.value}` is a truth value to some YAML readers and a word to others; write true, false or {quoted}"
        )
    if kind == "timestamp":
        return f"`{node.value}` is read as a date by YAML; write it in quotes: {quoted}"
    if kind in ("int", "float"):
        return f"`{node.value}` is not the same number to all YAML readers; write plain decimal, or quotes: {quoted}"
    return f"has the tag {node.tag!r}; tags are not read"
