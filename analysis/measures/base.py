"""What a measure is: a name, a version, parameters, and a function from one model file to tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from elf.formats.base import ModelFile

Emit = Callable[[str, pa.Table], None]
"""Appends rows to a table of the unit, by name; called many times, so that no table has to fit in memory."""


@dataclass(frozen=True)
class Measure:
    """One measure of one model file, with its external parts.

    `run(file, params, emit)` knows nothing of models, families and other files: what it emits depends on the file's
    content, `params` and `version` alone, and is the same to the row on every run. `version` goes up whenever the same
    input may lead to other rows. It raises ElfError for a file that cannot be measured.
    """

    name: str
    version: int
    params: type[BaseModel]
    run: Callable[[ModelFile, Any, Emit], None]
