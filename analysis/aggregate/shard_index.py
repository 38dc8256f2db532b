"""Which shards a study's files have, as numbered files, models and families that SQL can join with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.manifest import FileEntry, Manifest, ModelEntry
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

    def measured(self, measure: str) -> list[tuple[ModelEntry, FileEntry, Path]]:
        """Every file that has a shard of this measure, with the shard's folder."""
        return [
            (model, file, shard_path(self.shards, file.shards[measure]))
            for model, file in self.files()
            if measure in file.shards
        ]

    def tables(self, shard: Path) -> set[str]:
        """The tables of a shard. Raises ElfError when it is not whole."""
        found = tables_of(shard)
        if found is None:
            raise ElfError(f"{shard}: this shard is missing or damaged; run the study again, which measures it anew")
        return found

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
