from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elf.errors import ElfError
from elf.formats.protobuf import FIXED32, LENGTH, VARINT, fields, packed_varints, signed, text, varint


def _encoded(value: int) -> bytes:
    """A varint, digit by digit."""
    out = []
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _fields(data: bytes) -> list[tuple[int, int, int, int]]:
    return list(fields(memoryview(data), (0, len(data))))


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_packed_numbers_are_those_read_one_by_one(values: list[int]) -> None:
    raw = b"".join(map(_encoded, values))
    assert packed_varints([np.frombuffer(raw, np.uint8)]).tolist() == values
    at = 0
    for value in values:
        read, at = varint(memoryview(raw), at, len(raw))
        assert read == value
    assert at == len(raw)


def test_negative_numbers_are_read_in_two_complement() -> None:
    assert signed(packed_varints([np.frombuffer(_encoded(2**64 - 5), np.uint8)]).item()) == -5
    assert (signed(5), signed(2**63)) == (5, -(2**63))


def test_fields_of_every_kind() -> None:
    data = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\1\2\3\4" + b"\x21" + bytes(8)
    assert _fields(data) == [(1, VARINT, 150, 0), (2, LENGTH, 5, 7), (3, FIXED32, 8, 12), (4, 1, 13, 21)]
    assert text(memoryview(data), (5, 7)) == "hi"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x12\x05hi", "claims 5 bytes of 2"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "claims 18446744073709551615 bytes"),
        (b"\x12", "cut off"),
        (b"\x08\x80", "cut off"),
        (b"\x08" + b"\x80" * 11, "longer than ten bytes"),
        (b"\x0b", "wire type 3"),
        (b"\x0f", "wire type 7"),
        (b"\x02\x00", "field 0"),
        (b"\x1d\1\2", "claims 4 bytes of 2"),
    ],
)
def test_a_lying_length_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ElfError, match=reason):
        _fields(data)


def test_packed_numbers_that_do_not_end_are_refused() -> None:
    assert packed_varints([]).size == 0
    with pytest.raises(ElfError, match="cut off"):
        packed_varints([np.array([1, 0x80], np.uint8)])
    with pytest.raises(ElfError, match="longer than ten bytes"):
        packed_varints([np.array([0x80] * 10 + [0], np.uint8)])
