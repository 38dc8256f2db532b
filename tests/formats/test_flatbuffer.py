from __future__ import annotations

import struct

import format_files as files
import pytest

from elf.errors import ElfError
from elf.formats.flatbuffer import MAX_COST, Buffer, Table


def _root(**slots: object) -> Table:
    raw = files.flatbuffer(files.Table({int(slot[1:]): value for slot, value in slots.items()}))
    return Buffer(memoryview(raw)).table(0)


def test_fields_read_back_and_missing_ones_are_zero() -> None:
    child = files.Table({1: ("i", -7)})
    root = _root(s0=("I", 5), s2="text", s3=files.Vector("i", (1, -2)), s5=child, s6=[child, child])
    assert (root.number(0, "<I"), root.number(1, "<I"), root.number(99, "<I")) == (5, 0, 0)
    assert (root.text(2), root.text(4)) == ("text", "")
    assert (root.numbers(3, "<i"), root.numbers(4, "<i")) == ([1, -2], [])
    found = root.table(5)
    assert found is not None
    assert found.number(1, "<i") == -7
    assert root.table(4) is None
    assert [table.number(1, "<i") for table in root.tables(6)] == [-7, -7]
    start, count = root.vector(3, 4)
    assert struct.unpack_from("<2i", root.buffer.data, start) == (1, -2)
    assert count == 2


@pytest.mark.parametrize("offset", [2, 1 << 20, 0xFFFFFFFF])
def test_an_offset_out_of_the_file_is_refused(offset: int) -> None:
    raw = bytearray(files.flatbuffer(files.Table({0: "x"})))
    struct.pack_into("<I", raw, 0, offset)
    with pytest.raises(ElfError, match="flatbuffer"):
        Buffer(memoryview(bytes(raw))).table(0).text(0)


def test_a_vtable_before_the_start_of_the_file_is_refused() -> None:
    raw = struct.pack("<Ii", 4, 1000)
    with pytest.raises(ElfError, match="leads to byte -996"):
        Buffer(memoryview(raw)).table(0)


def test_a_vector_that_claims_too_much_is_refused() -> None:
    root = _root(s0=files.Vector("I", (1, 2)))
    start, _ = root.vector(0, 4)
    raw = bytearray(root.buffer.data)
    struct.pack_into("<I", raw, start - 4, 0xFFFFFFFF)
    lying = Buffer(memoryview(bytes(raw))).table(0)
    for read in (lambda: lying.numbers(0, "<I"), lambda: list(lying.tables(0)), lambda: lying.text(0)):
        with pytest.raises(ElfError, match="claims 4294967295 elements"):
            read()


def test_one_table_or_vector_visited_again_and_again_is_refused() -> None:
    root = _root(s0=files.Vector("i", range(100_000)))
    for _ in range(MAX_COST // 100_000 - 1):
        root.numbers(0, "<i")
    with pytest.raises(ElfError, match="more tables and numbers"):
        root.numbers(0, "<i")
    with pytest.raises(ElfError, match="more tables and numbers"):
        root.buffer.table(0)


def test_a_shared_string_is_held_once() -> None:
    root = _root(s0="a long name")
    assert root.text(0) is root.text(0)
