"""What a measure is: a name, a version, parameters, and a function from model files to tables.

There are two kinds. A `Measure` looks at one file at a time. A `GroupMeasure` looks at several files together, and
which ones is found in the shards of the first kind. Either can be cut into parts: a part is the same measure asked for
less, has a shard of its own, and a crash in native code costs this part only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel

from elf.formats.base import ModelFile

if TYPE_CHECKING:
    from analysis.config.entries import PypiEntry
    from analysis.shard_index import ShardIndex

Emit = Callable[[str, pa.Table], None]
"""Appends rows to a table of the unit, by name; called many times, so that no table has to fit in memory."""

FAILURES = pa.schema([("method", pa.string()), ("error", pa.string()), ("reason", pa.string())])
"""The table `failures` of a shard: what a unit could not measure while it measured the rest."""

Facts = dict[str, Any]
"""What a result depends on beside content and parameters, for instance the versions of libraries; JSON values."""


def whole(params: Any) -> dict[str, Any]:
    """A measure that is not cut into parts."""
    return {"": params}


def no_facts(_: Any) -> Facts:
    """A measure that depends on nothing beside content, parameters and its version."""
    return {}


def never(_: str) -> bool:
    """No model makes data necessary."""
    return False


@dataclass(frozen=True)
class Measure:
    """One measure of one model file, with its external parts.

    `run(file, params, emit)` knows nothing of models, families and other files: what it emits depends on the file's
    content, `params`, `facts(params)` and `version` alone, and is the same to the row on every run. `version` goes up
    whenever the same input may lead to other rows. It raises ElfError for a file that cannot be measured.
    `parts(params)` gives narrower parameters by name, which together ask for all that `params` asks for.
    """

    name: str
    version: int
    params: type[BaseModel]
    run: Callable[[ModelFile, Any, Emit], None]
    parts: Callable[[Any], Mapping[str, Any]] = whole
    facts: Callable[[Any], Facts] = no_facts


@dataclass(frozen=True)
class Group:
    """Files that are looked at together, as (model, file) in an order that means something to the measure."""

    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class GroupMeasure:
    """One measure of several model files together; `version`, `parts` and `facts` as for `Measure`.

    `groups(index, params)` finds in the shards of the study's file measures which files to look at together, the same
    ones in the same order on every run. `run(files, params, emit)` gets them opened, in the group's order.

    `data` are wheels that the measure needs beside models, for instance labels: a group may name their files as
    (entry's label, file), `needs(source)` says whether a model of the study makes them necessary. They are pulled and
    verified as models are, and are in no table.
    """

    name: str
    version: int
    params: type[BaseModel]
    groups: Callable[[ShardIndex, Any], Sequence[Group]]
    run: Callable[[Sequence[ModelFile], Any, Emit], None]
    parts: Callable[[Any], Mapping[str, Any]] = whole
    facts: Callable[[Any], Facts] = no_facts
    data: tuple[PypiEntry, ...] = ()
    needs: Callable[[str], bool] = never


AnyMeasure = Measure | GroupMeasure
