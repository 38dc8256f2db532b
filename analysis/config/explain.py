"""Pydantic's errors in words a person can act on: the line, the key, what is wrong, the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from analysis.config.document import Document
from analysis.config.entries import ENTRIES, KINDS, tag
from analysis.config.problems import Location, nearest

_TAGGED = {tag(kind): entry for kind, entry in ENTRIES.items()}

_SIMPLE = {"missing": "is missing", "too_short": "must not be empty"}
_WANTED = {
    "string_type": "text", "bool_type": "true or false",
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "tuple_type": "a list", "list_type": "a list",
    "dict_type": "keys and values", "model_type": "keys and values", "model_attributes_type": "keys and values",
}  # fmt: skip


def explain(document: Document, error: ValidationError, model: type[BaseModel]) -> None:
    """Add what pydantic found to the document's problems; where the YAML itself was at fault that is said already."""
    blamed = {problem.line for problem in document.problems}
    for detail in error.errors():
        location = tuple(part for part in detail["loc"] if part not in _TAGGED)
        trap = document.line(location) in blamed and detail["input"] is None
        counted_out = detail["type"] == "too_short" and detail["input"]  # not empty: its items are wrong
        if not trap and not counted_out:
            document.blame(location, _reason(document, detail, location, model))


def _reason(document: Document, detail: ErrorDetails, location: Location, model: type[BaseModel]) -> str:
    kind, value = detail["type"], detail["input"]
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind == "extra_forbidden":
        return _unknown_key(location[-1], _keys(model, detail["loc"][:-1]))
    if kind == "union_tag_not_found":
        return _no_source(value)
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", detail["ctx"]["expected"]) or [detail["ctx"]["expected"]]
        return f"{value!r} is not one of {', '.join(options)}" + (nearest(value, options) if len(options) > 1 else "")
    if kind in _WANTED:
        return _wrong_type(document, _WANTED[kind], value, location)
    return _in_its_own_words(detail["msg"].removeprefix("Value error, "), value)


def _in_its_own_words(message: str, value: Any) -> str:
    if message.startswith("Input should be "):
        return f"must be {message.removeprefix('Input should be ')}, not {value!r}"
    return message[:1].lower() + message[1:]


def _unknown_key(key: str | int, valid: list[str]) -> str:
    if key in KINDS and len(sources := [kind for kind in valid if kind in KINDS]) == 1:
        return f"a model comes from one source, {sources[0]!r} or {key!r}; make two entries of it"
    return f"there is no such key{nearest(key, valid) or '; there are: ' + ', '.join(valid)}"


def _no_source(value: Any) -> str:
    if not isinstance(value, dict):
        return f"must be keys and values, with one of {', '.join(KINDS)}"
    hints = [hint for key in value if (hint := nearest(key, KINDS)).startswith("; did")]
    return f"says nowhere where the model comes from: one of {', '.join(KINDS)}{hints[0] if hints else ''}"


def _wrong_type(document: Document, wanted: str, value: Any, location: Location) -> str:
    if value is None:
        return f"must be {wanted}, but nothing is given"
    spelling = document.spelling.get(location)
    if wanted == "text" and spelling is not None:
        return f"must be text, but YAML reads {spelling} as {_kind_of(value)}; write it in quotes: '{spelling}'"
    return f"must be {wanted}, not {_kind_of(value)}"


def _kind_of(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "keys and values" if isinstance(value, dict) else "a list"
    names = {str: "text", bool: "truth value"}
    return f"the {names.get(type(value), 'number')} {value!r}"


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that are valid at `location`, pydantic's, which names the kind of an entry where there are several."""
    here = [model]
    for part in location:
        if isinstance(part, str):
            inner = [child for parent in here for child in _children(parent, part)]
            here = [_TAGGED[part]] if part in _TAGGED else inner
    return [field.alias or name for parent in here for name, field in parent.model_fields.items()]


def _children(parent: type[BaseModel], key: str) -> list[type[BaseModel]]:
    fields = {field.alias or name: field for name, field in parent.model_fields.items()}
    return list(_models(fields[key].annotation)) if key in fields else []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
