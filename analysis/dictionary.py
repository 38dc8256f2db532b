"""The data dictionary, results/README.md, written from the specifications of the tables."""

from __future__ import annotations

from analysis.places import PROJECT
from analysis.tables import TABLES, Column, Table, write_atomically

PATH = PROJECT / "results" / "README.md"

HEAD = """# Data dictionary

One folder a study. The CSV files here are the committed tables, made by `make publish`; `local/` (not in git) is what
a run on this machine made: fresh tables, figures with their data, executed notebooks, `report.html`, `run.json`.
`paper/claims.csv` holds the published claims, each with its source.

- One row is one unit and one method. Sorted by the key, LF, UTF-8, empty = does not apply.
- Bytes and counts are integers. There is no ratio and no timing in a table: ratio = bytes in / bytes out, saving =
  1 - 1 / ratio, computed where they are shown, from the byte counts that say what was counted.
- `bytes_in` are always bytes of the original files as stored; `identity` keeps them all. What is in no tensor (headers,
  graphs, padding) is granularity `rest`, so that layers + rest and parameters + rest are whole files.
- Scopes nest: of a unit's n references, n - files repeat inside a file, files - models between files of one model,
  models - families between models of one family, families - 1 across families.
- For one lock file and one platform, two runs give the same bytes, whatever the number of workers; counts are the same
  everywhere. What depends on a machine's floating-point arithmetic states a tolerance: within it, tables agree.

`analysis.load("default")` gives all tables as typed frames.
"""


def dictionary() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_table(table) for table in TABLES.values())])


def _table(table: Table) -> str:
    head = f"## {table.file}\n\nOne row: {table.row}. Key: {', '.join(f'`{name}`' for name in table.key)}.\n"
    rows = [f"| `{column.name}` | {column.kind} | {column.meaning}{_tolerance(column)} |" for column in table.columns]
    return "\n".join([head, "| column | kind | meaning |", "|---|---|---|", *rows, ""])


def _tolerance(column: Column) -> str:
    """How far the value may be from the committed one."""
    if (given := column.tolerance) is None:
        return ""
    if column.kind == "yes/no":
        return " (may differ between machines)"
    terms = [f"{given.absolute:g}"] if given.absolute else []
    terms += [f"{100 * given.relative:g} %"] if given.relative else []
    return f" (agrees within {' + '.join(terms)})"


if __name__ == "__main__":
    write_atomically(PATH, dictionary().encode())
