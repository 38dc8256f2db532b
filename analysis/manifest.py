"""The manifest of a run: which model has which files, and which shard holds what was measured of each."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from analysis.tables import write_atomically
from elf.errors import ElfError


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Failure(_Record):
    """One row of failures.csv."""

    family: str
    model: str
    file: str
    step: str
    error: str
    reason: str


class FileEntry(_Record):
    """One model file: its name in the model, its parts' bytes, the keys of its shards by step (see `step_name`)."""

    file: str
    bytes: int
    n_parts: int
    shards: dict[str, str]


class GroupEntry(_Record):
    """Several files, as (model, file), that a step measured together."""

    step: str
    files: tuple[tuple[str, str], ...]
    shard: str


class ModelEntry(_Record):
    """One model and its files."""

    family: str
    model: str
    source: str
    revision: str
    task: str
    derived: bool
    files: tuple[FileEntry, ...]


class Manifest(_Record):
    """Everything that aggregation needs to know beside the shards; `measures` by name with their versions."""

    study: str
    measures: dict[str, int]
    models: tuple[ModelEntry, ...]
    failures: tuple[Failure, ...]
    groups: tuple[GroupEntry, ...] = ()

    def write(self, folder: Path) -> None:
        """Write it as manifest.json, atomically."""
        write_atomically(folder / "manifest.json", (self.model_dump_json(indent=1) + "\n").encode())


def step_name(measure: str, part: str) -> str:
    """How a part of a measure is called in manifests and failures: `measure`, or `measure:part`."""
    return f"{measure}:{part}" if part else measure


def measure_of(step: str) -> str:
    """The measure that a step is, or is a part of."""
    return step.partition(":")[0]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the last run. Raises ElfError when there was none or another version wrote it."""
    path = folder / "manifest.json"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ElfError(f"{path}: no run of this study is here; run it first: python -m analysis run") from error
    except ValueError as error:
        raise ElfError(f"{path}: written by another version; run the study again: python -m analysis run") from error
