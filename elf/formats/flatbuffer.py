"""FlatBuffers, walked in place with every offset checked (flatbuffers.dev, "Internals")."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from elf.errors import ElfError

MAX_COST = 10_000_000  # of all that is visited: offsets may lead to one table or vector again and again
TABLE_COST = 5  # a table; a number costs 1


@dataclass(slots=True)
class Buffer:
    """The whole file, what visiting its parts has cost, and the strings, which offsets may share."""

    data: memoryview
    cost: int = 0
    strings: dict[int, str] = field(default_factory=dict)

    def number(self, code: str, at: int) -> int:
        """One integer of struct type `code` at byte `at`. Raises ElfError outside the file."""
        if at < 0 or at + struct.calcsize(code) > len(self.data):
            raise ElfError(f"a flatbuffer offset leads to byte {at} of {len(self.data)}")
        return int(struct.unpack_from(code, self.data, at)[0])

    def visit(self, cost: int) -> None:
        """Count what is read. Raises ElfError when it is more than any model has."""
        self.cost += cost
        if self.cost > MAX_COST:
            raise ElfError("the flatbuffer has more tables and numbers than any model")

    def table(self, at: int) -> Table:
        """The table that the offset at byte `at` points to."""
        self.visit(TABLE_COST)
        start = at + self.number("<I", at)
        layout = start - self.number("<i", start)
        return Table(self, start, layout, self.number("<H", layout))


@dataclass(frozen=True, slots=True)
class Table:
    """A table at `start`, its fields found through the vtable at `layout` of `size` bytes."""

    buffer: Buffer
    start: int
    layout: int
    size: int

    def field(self, slot: int) -> int | None:
        """Where the field is, None if it is left out."""
        entry = 4 + 2 * slot
        offset = self.buffer.number("<H", self.layout + entry) if entry + 2 <= self.size else 0
        return self.start + offset if offset else None

    def number(self, slot: int, code: str) -> int:
        """An integer field of struct type `code`; 0 if it is left out."""
        at = self.field(slot)
        return 0 if at is None else self.buffer.number(code, at)

    def table(self, slot: int) -> Table | None:
        """A table field."""
        at = self.field(slot)
        return None if at is None else self.buffer.table(at)

    def vector(self, slot: int, width: int) -> tuple[int, int]:
        """Where a vector of elements of `width` bytes starts, and how many there are; (0, 0) if it is left out."""
        at = self.field(slot)
        if at is None:
            return 0, 0
        start = at + self.buffer.number("<I", at)
        count = self.buffer.number("<I", start)
        if start + 4 + count * width > len(self.buffer.data):
            raise ElfError(f"a flatbuffer vector at byte {start} claims {count} elements: truncated?")
        return start + 4, count

    def numbers(self, slot: int, code: str) -> list[int]:
        """A vector of integers."""
        width = struct.calcsize(code)
        start, count = self.vector(slot, width)
        self.buffer.visit(count)
        return list(struct.unpack_from(f"<{count}{code[-1]}", self.buffer.data, start)) if count else []

    def tables(self, slot: int) -> Iterator[Table]:
        """A vector of tables."""
        start, count = self.vector(slot, 4)
        return (self.buffer.table(start + 4 * index) for index in range(count))

    def text(self, slot: int) -> str:
        """A string; empty if it is left out."""
        start, count = self.vector(slot, 1)
        if start not in self.buffer.strings:
            raw = bytes(self.buffer.data[start : start + count])
            self.buffer.strings[start] = raw.decode("utf-8", "backslashreplace")
        return self.buffer.strings[start]
