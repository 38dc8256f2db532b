"""The tables of a study: one specification for the writer, the reader, the data dictionary and the tests.

A table is written sorted by its key, LF, UTF-8, integers as integers, floats with nine significant digits, so that two
runs of one study give the same bytes. No ratio and no timing is ever stored: ratios are computed where they are shown.
One more table is one more `Table` in the file of its topic, and its name in that file's TABLES.
"""

from __future__ import annotations

from analysis.tables import (
    accuracy,
    composition,
    compression,
    dedup,
    elves,
    inventory,
    parameters,
    relatives,
    similarity,
)
from analysis.tables.files import frame, read_table, tidy, write_atomically, write_table
from analysis.tables.spec import Column, Table

TOPICS = (inventory, dedup, parameters, similarity, relatives, compression, composition, elves, accuracy)
TABLES: dict[str, Table] = {table.name: table for topic in TOPICS for table in topic.TABLES}
"""Every table by its name."""

__all__ = ["TABLES", "Column", "Table", "frame", "read_table", "tidy", "write_atomically", "write_table"]
