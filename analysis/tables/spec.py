"""What a table is: a name, what a row is, the columns that identify a row, and all columns in order."""

from __future__ import annotations

from dataclasses import dataclass

PANDAS_TYPES = {"text": "str", "count": "Int64", "bytes": "Int64", "number": "float64", "yes/no": "boolean"}


@dataclass(frozen=True)
class Tolerance:
    """How far a value may be from the published one and still agree: the sum of both terms.

    Only for what depends on a machine's floating-point arithmetic. A yes/no with a tolerance may be either.
    """

    absolute: float = 0.0
    relative: float = 0.0


@dataclass(frozen=True)
class Column:
    """One column: its name, its kind (a key of PANDAS_TYPES), what it means, how far it may differ (None: not)."""

    name: str
    kind: str
    meaning: str
    tolerance: Tolerance | None = None


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
