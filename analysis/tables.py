"""The tables of a study: one specification for the writer, the reader, the data dictionary and the tests.

A table is written sorted by its key, LF, UTF-8, integers as integers, floats with nine significant digits, so that two
runs of one study give the same bytes. No ratio and no timing is ever stored: ratios are computed where they are shown.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from elf.errors import ElfError

PANDAS_TYPES = {"text": "str", "count": "Int64", "bytes": "Int64", "number": "float64", "yes/no": "boolean"}


@dataclass(frozen=True)
class Column:
    """One column: its name, its kind (a key of PANDAS_TYPES) and what it means."""

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """One table: its name, what a row is, the columns that identify a row, and all columns in order."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def file(self) -> str:
        """The table's file name."""
        return f"{self.name}.csv"


FAMILY = Column("family", "text", "family of the model, as the study's YAML names it")
MODEL = Column("model", "text", "model: one package or repository at one pinned version")
FILE = Column("file", "text", "file inside the package or repository, with forward slashes")
METHOD_VERSION = Column("method_version", "count", "version of the code that measured; a new one replaces old results")

MODELS = Table(
    "models",
    "one model of the study",
    ("family", "model"),
    (
        FAMILY,
        MODEL,
        Column(
            "source",
            "text",
            "where it was pulled from, as the YAML names it: pypi:, hub:, path:, hub_cache: or derive:",
        ),
        Column("revision", "text", "what pins it: the wheel's sha256 or the repository's commit; empty for a path"),
        Column("task", "text", "what the model is for"),
        Column(
            "derived",
            "yes/no",
            "made here from another model (a cast, a re-shard); kept out of family and study totals",
        ),
        Column("n_files", "count", "weight files measured"),
        Column("bytes", "bytes", "bytes of these files as stored: the denominator of every ratio"),
        Column("bytes_tensors", "bytes", "of these, bytes that belong to a tensor"),
        Column("n_layers", "count", "named tensors, aliases included"),
        Column("n_params", "count", "parameters of tensors that are not aliases"),
    ),
)

LAYERS = Table(
    "layers",
    "one named tensor of one file",
    ("family", "model", "file", "index"),
    (
        FAMILY,
        MODEL,
        FILE,
        Column("index", "count", "position of the tensor in the file"),
        Column(
            "format",
            "text",
            "of the file: safetensors, npy, npz, pytorch, pytorch-legacy, torchscript, onnx, hdf5, keras, gguf, tflite",
        ),
        Column("layer", "text", "name of the tensor"),
        Column("role", "text", "weight, norm, bias, optimizer, scale or other"),
        Column("dtype", "text", "element type"),
        Column("shape", "text", "shape, dimensions joined by x; empty for a scalar"),
        Column("n_params", "count", "elements"),
        Column("offset", "bytes", "where its bytes start in the file; empty when they are not stored plain"),
        Column("bytes", "bytes", "bytes of the tensor, decoded"),
        Column("bytes_stored", "bytes", "bytes of the file that belong to it: 0 for an alias"),
        Column("alias_of", "text", "the tensor of this file whose bytes it shares; empty otherwise"),
        Column("xxh3_128", "text", "content hash of the decoded bytes, 32 hexadecimal digits"),
        Column("n_distinct", "count", "distinct bit patterns; empty where elements do not fall on bytes"),
        Column("n_zero", "count", "elements that are zero, of either sign"),
        Column("n_in_unit_interval", "count", "floats in (-1, 1); empty for other types"),
        Column("n_nonfinite", "count", "NaN and infinities; empty for other types"),
        Column("n_f16_exact", "count", "floats that f16 holds exactly; empty for other types"),
        Column("n_bf16_exact", "count", "floats that bf16 holds exactly; empty for other types"),
        METHOD_VERSION,
    ),
)

HASH_DEDUP = Table(
    "hash_dedup",
    "one deduplicating store (what it cuts, where it looks for duplicates) over one file, model, family or study",
    ("granularity", "method", "scope", "name"),
    (
        Column(
            "granularity", "text", "file, layer, chunk, parameter; rest = bytes in no tensor; identity = nothing done"
        ),
        Column(
            "method",
            "text",
            "file: whole. layer: typed (equal bytes, dtype and shape) or untyped (equal bytes). chunk: cutting rule @ "
            "anchor (where cutting starts: the file or each tensor). parameter: the dtype",
        ),
        Column(
            "scope",
            "text",
            "how far the store sees: one file, model, family or the study; without_family = the study less that family",
        ),
        Column("name", "text", "which file (model/file), model, family or study"),
        Column("n_units", "count", "units in: files, layers, chunks, parameters"),
        Column("n_unique", "count", "units kept"),
        Column("bytes_in", "bytes", "bytes of the units as stored"),
        Column("bytes_payload", "bytes", "bytes of the units kept"),
        Column(
            "bytes_recipe",
            "bytes",
            "what it takes to put the originals together: 20 B a reference; parameters: n x ceil(log2 distinct) bits",
        ),
        Column(
            "bytes_index",
            "bytes",
            "what it takes to find a unit: 64 B a unique entry; parameters: none, the payload is the table",
        ),
        METHOD_VERSION,
    ),
)

SHARED_BYTES = Table(
    "shared_bytes",
    "what two models have in common, each distinct unit counted once",
    ("granularity", "method", "model_a", "model_b"),
    (
        Column("granularity", "text", "file, layer or chunk"),
        Column("method", "text", "as in hash_dedup"),
        Column("model_a", "text", "the first model by name"),
        Column("model_b", "text", "the second"),
        Column("family_a", "text", "family of the first"),
        Column("family_b", "text", "family of the second"),
        Column("n_units", "count", "distinct units that both have"),
        Column("bytes", "bytes", "their bytes"),
        METHOD_VERSION,
    ),
)

DUPLICATES = Table(
    "duplicates",
    "layers that occur equally often, by role and dtype: reference counts of typed layers over the study",
    ("role", "dtype", "references"),
    (
        Column("role", "text", "role of the layer where it is first seen"),
        Column("dtype", "text", "element type"),
        Column("references", "count", "how often the same bytes with the same dtype and shape occur in the study"),
        Column("n_unique", "count", "distinct layers with so many references"),
        Column("bytes_unique", "bytes", "their bytes, each once"),
        Column("smallest", "bytes", "bytes of the smallest of them"),
        Column("median", "bytes", "the lower median of their bytes"),
        Column("largest", "bytes", "bytes of the largest of them"),
        METHOD_VERSION,
    ),
)

PARAMETERS = Table(
    "parameters",
    "the parameters of one dtype in one model, family, role or the study; aliases not counted",
    ("scope", "name", "dtype"),
    (
        Column("scope", "text", "model, family, study, or role (over the study)"),
        Column("name", "text", "which one"),
        Column("dtype", "text", "element type"),
        Column("n_params", "count", "parameters"),
        Column("n_distinct", "count", "distinct bit patterns among them; empty for a role"),
        Column("n_in_unit_interval", "count", "floats in (-1, 1); empty for other types"),
        Column("n_zero", "count", "zeros of either sign"),
        Column("n_nonfinite", "count", "NaN and infinities; empty for other types"),
        Column("n_f16_exact", "count", "floats that f16 holds exactly; empty for other types"),
        Column("n_bf16_exact", "count", "floats that bf16 holds exactly; empty for other types"),
        METHOD_VERSION,
    ),
)

FAILURES = Table(
    "failures",
    "a model, file or method that could not be measured",
    ("family", "model", "file", "step", "error", "reason"),
    (
        FAMILY,
        MODEL,
        Column("file", "text", "file inside the model; empty when the whole model is missing"),
        Column("step", "text", "pull or the measure that failed"),
        Column("error", "text", "kind of error"),
        Column("reason", "text", "what happened and what to do, in one line"),
    ),
)

TABLES = {table.name: table for table in (MODELS, LAYERS, HASH_DEDUP, SHARED_BYTES, DUPLICATES, PARAMETERS, FAILURES)}


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
