"""Which shards a study's files have, as numbered files, models and families that SQL can join with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.manifest import FileEntry, GroupEntry, Manifest, ModelEntry, measure_of
from analysis.shards import shard_path, tables_of
from elf.errors import ElfError


@dataclass(frozen=True)
class ShardIndex:
    """A study's manifest beside the folder of its shards."""

    manifest: Manifest
    shards: Path

    def files(self) -> list[tuple[ModelEntry, FileEntry]]:
        """Every file with its model, in the manifest's order."""
        return [(model, file) for model in self.manifest.models for file in model.files]

    def families(self) -> list[list[tuple[str, str]]]:
        """Of each family, the files of its original models that anything could be measured of, as (model, file).

        Sorted by name. A file that cannot be read is in none: it must not take its family along.
        """
        found: dict[str, list[tuple[str, str]]] = {}
        for model, file in self.files():
            if file.shards and not model.derived:
                found.setdefault(model.family, []).append((model.model, file.file))
        return [sorted(files) for _, files in sorted(found.items())]

    def measured(self, measure: str) -> list[tuple[ModelEntry, FileEntry, Path]]:
        """Every file that has a shard of this measure, with the shard's folder; once for each part of the measure."""
        return [
            (model, file, shard_path(self.shards, key))
            for model, file in self.files()
            for step, key in file.shards.items()
            if measure_of(step) == measure
        ]

    def groups(self, measure: str) -> list[tuple[GroupEntry, Path]]:
        """Every group of files that has a shard of this measure, with the shard's folder."""
        return [
            (group, shard_path(self.shards, group.shard))
            for group in self.manifest.groups
            if measure_of(group.step) == measure
        ]

    def tables(self, shard: Path) -> set[str]:
        """The tables of a shard. Raises ElfError when it is not whole."""
        found = tables_of(shard)
        if found is None:
            raise ElfError(f"{shard}: this shard is missing or damaged; run the study again, which measures it anew")
        return found

    def read(self, measure: str, table: str) -> Iterator[tuple[ModelEntry, FileEntry, pa.Table]]:
        """One table of every shard of a file measure that has it."""
        for model, file, folder in self.measured(measure):
            if table in self.tables(folder):
                yield model, file, pq.read_table(folder / f"{table}.parquet")

    def rows(self, measure: str, table: str) -> pd.DataFrame:
        """The same as one frame, with columns family, model, file and derived first; empty when there is none."""
        frames = [
            found.to_pandas().assign(family=model.family, model=model.model, file=file.file, derived=model.derived)
            for model, file, found in self.read(measure, table)
        ]
        return _names_first(frames, ["family", "model", "file", "derived"])

    def group_rows(self, measure: str, table: str) -> pd.DataFrame:
        """One table of every shard of a group measure, with columns model_a, file_a, model_b, file_b, ... first."""
        frames: list[pd.DataFrame] = []
        names: list[str] = []
        for group, folder in self.groups(measure):
            if table in self.tables(folder):
                named = {
                    f"{kind}_{chr(97 + i)}": file[place]
                    for i, file in enumerate(group.files)
                    for place, kind in enumerate(("model", "file"))
                }
                frames.append(pq.read_table(folder / f"{table}.parquet").to_pandas().assign(**named))
                names = max(names, list(named), key=len)
        return _names_first(frames, names)

    def references(self, measure: str, table: str) -> pd.DataFrame:
        """One row per measured file whose shard has `table`: path, file, model, family, derived. For SQL."""
        rows = [
            {
                "path": str(folder / f"{table}.parquet"),
                "file": f"{model.model}//{file.file}",
                "model": model.model,
                "family": model.family,
                "derived": model.derived,
            }
            for model, file, folder in self.measured(measure)
            if table in self.tables(folder)
        ]
        return pd.DataFrame(rows, columns=pd.Index(["path", "file", "model", "family", "derived"]))


def _names_first(frames: list[pd.DataFrame], names: list[str]) -> pd.DataFrame:
    if not frames:
        return pd.DataFrame(columns=pd.Index(names))
    data = pd.concat(frames, ignore_index=True)
    return data[[*names, *(column for column in data.columns if column not in names)]]
