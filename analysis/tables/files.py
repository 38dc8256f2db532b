"""Tables as files: written sorted by key, LF, UTF-8, so that the same rows give the same bytes."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from pathlib import Path

import pandas as pd

from analysis.tables.spec import PANDAS_TYPES, Table
from elf.errors import ElfError

CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")
"""Characters that break lines or vanish: names of files and tensors may hold them, a line of a table may not."""


def _spelled(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode()


def frame(table: Table, rows: list[dict[str, object]]) -> pd.DataFrame:
    """Rows as a typed frame, sorted by the table's key. Raises ElfError on wrong columns or two rows with one key."""
    names = [column.name for column in table.columns]
    for row in rows:
        if row.keys() != set(names):
            raise ElfError(f"{table.file}: a row has columns {sorted(row)}, expected {sorted(names)}")
    return tidy(table, pd.DataFrame(rows, columns=pd.Index(names)))


def tidy(table: Table, data: pd.DataFrame) -> pd.DataFrame:
    """The frame with the table's columns and types, sorted by its key. Raises ElfError when a key occurs twice."""
    names = [column.name for column in table.columns]
    if missing := [name for name in names if name not in data.columns]:
        raise ElfError(f"{table.file}: columns are missing: {', '.join(missing)}")
    typed = data[names].astype({column.name: PANDAS_TYPES[column.kind] for column in table.columns})
    texts = [column.name for column in table.columns if column.kind == "text"]
    for text in texts:
        typed[text] = typed[text].fillna("").str.replace(CONTROL, _spelled, regex=True)
    typed = typed.sort_values(list(table.key), kind="stable", ignore_index=True)
    if typed.duplicated(list(table.key)).any():
        twice = typed[typed.duplicated(list(table.key))].iloc[0]
        raise ElfError(f"{table.file}: two rows have the key {tuple(twice[list(table.key)])}")
    return typed


def write_table(folder: Path, table: Table, data: pd.DataFrame) -> str:
    """Write one table as CSV, atomically; the same rows in any order give the same bytes. Returns their sha256."""
    text = tidy(table, data).to_csv(index=False, lineterminator="\n", float_format="%.9g")
    write_atomically(folder / table.file, text.encode())
    return hashlib.sha256(text.encode()).hexdigest()


def read_table(folder: Path, table: Table) -> pd.DataFrame:
    """Read one table as a typed frame. Raises ElfError if it is missing or not of this version's columns."""
    path = folder / table.file
    try:
        data = pd.read_csv(path, dtype=str, keep_default_na=False, na_values={}, encoding="utf-8")
    except OSError as error:
        raise ElfError(
            f"{path}: cannot be read ({error.strerror}); run the study first: python -m analysis run"
        ) from error
    for column in table.columns:
        if column.name in data.columns and column.kind != "text":
            data[column.name] = _parsed(data[column.name], column.kind)
    return tidy(table, data)


def _parsed(texts: pd.Series, kind: str) -> pd.Series:
    filled = texts.mask(texts == "")
    if kind == "yes/no":
        return filled.map({"True": True, "False": False}).astype("boolean")
    if kind == "number":
        return pd.to_numeric(filled).astype("float64")
    return filled.astype("Int64")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that its final name never holds a part of it. Raises ElfError when it cannot be written."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ElfError(f"{path}: cannot be written: {error.strerror}; free space or choose another folder") from error
