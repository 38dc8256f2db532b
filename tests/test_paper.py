"""Elf as published: the layout bit by bit, and what it does at its edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from elf import paper
from elf.errors import ElfError
from tests.codecs.samples import bit_patterns, special

TYPES = [("f16", 10, -11), ("f32", 23, -24), ("f64", 52, -53)]


def plainly(values: NDArray[Any], mantissa: int) -> tuple[bytes, list[int], list[bytes]]:
    """Codes, positions and values, one value after another, as strings of bits."""
    kind = values.dtype.type
    limit = {10: np.float32(0.999), 23: np.float32(0.9999999), 52: np.float64(0.99999999999)}[mantissa]
    bits, positions, rest = "", [], []
    for position, value in enumerate(values):
        if math.isnan(value) or float(abs(value)) >= float(limit):
            positions.append(position)
            rest.append(value.tobytes())
            continue
        shifted = int.from_bytes((abs(value) + kind(1)).tobytes(), "little") % (1 << mantissa)
        bits += f"{shifted:0{mantissa}b}{int(value < 0)}"
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)), positions, rest


@pytest.mark.parametrize(("dtype", "mantissa", "error"), TYPES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_codes_positions_and_values_are_those_of_the_published_layout(
    dtype: str, mantissa: int, error: int, data: st.DataObject
) -> None:
    values = np.concatenate([data.draw(bit_patterns(dtype, 30)), special(dtype)])
    codes, positions, rest = paper.encode(values)
    assert (codes.tobytes(), positions.tolist(), [v.tobytes() for v in rest]) == plainly(values, mantissa)
    back = paper.decode(codes, positions, rest)
    bits = f"u{values.itemsize}"
    near = np.abs(back[np.isfinite(values)].astype(float) - values[np.isfinite(values)]) <= 2.0**error
    assert np.all(near)
    assert np.array_equal(back.view(bits)[positions], values.view(bits)[positions])


@pytest.mark.parametrize(("dtype", "mantissa", "error"), TYPES)
@pytest.mark.parametrize("count", [0, 1, 7, 65535, 65536, 70001])
def test_long_arrays_take_their_bits_and_come_back(dtype: str, mantissa: int, error: int, count: int) -> None:
    values = np.random.default_rng(0).uniform(-0.9, 0.9, count).astype({"f16": "f2", "f32": "f4", "f64": "f8"}[dtype])
    codes, positions, rest = paper.encode(values)
    assert codes.size == -(-count * (mantissa + 1) // 8)
    assert positions.size == rest.size == 0
    assert np.abs(paper.decode(codes, positions, rest).astype(float) - values).max(initial=0) <= 2.0**error


def test_the_first_codes_of_f32_are_these_bytes() -> None:
    values = np.array([0.5, -0.5, 2.0**-23, 1 - 2.0**-22, 1 - 2.0**-23, 0.0], np.float32)
    codes, positions, rest = paper.encode(values)
    assert codes.tobytes().hex(" ", 3) == "800000 800001 000002 fffffc 000000"
    assert (positions.tolist(), rest.tolist()) == ([4], [1 - 2.0**-23])


def test_the_first_codes_of_f16_are_these_bits() -> None:
    codes, _, _ = paper.encode(np.array([0.5, -0.25, 2.0**-10], np.float16))
    assert "".join(f"{byte:08b}" for byte in codes) == "1000000000 0 0100000000 1 0000000001 0 0000000".replace(" ", "")


def test_the_sign_of_zero_is_lost_and_small_values_become_a_signed_zero() -> None:
    values = np.array([-0.0, 0.0, 2.0**-24, -(2.0**-24), 1.5 * 2.0**-24], np.float32)
    back = paper.decode(*paper.encode(values))
    assert back.tolist() == [0, 0, 0, 0, 2.0**-23]
    assert np.signbit(back).tolist() == [False, False, False, True, False]


def test_nan_and_infinity_are_kept_as_they_are() -> None:
    values = np.array([0x7FC01234, 0xFF800000, 0x7F800001, 0x3DCCCCCD], np.uint32).view(np.float32)
    back = paper.decode(*paper.encode(values))
    assert back[:3].tobytes() == values[:3].tobytes()


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_shape_memory_order_and_byte_order_is_read(order: Any) -> None:
    values = np.asarray(np.random.default_rng(0).uniform(-0.5, 0.5, (6, 8)), np.float32, order=order)
    expected = paper.encode(values.reshape(-1))[0]
    assert np.array_equal(paper.encode(values)[0], expected)
    assert np.array_equal(paper.encode(values.astype(">f4"))[0], expected)
    assert np.array_equal(paper.encode(np.repeat(values, 2, axis=1)[:, ::2])[0], expected)


def test_other_types_are_refused() -> None:
    for values in (np.zeros(3, np.int32), np.zeros(3, np.uint16), np.zeros(3, np.complex64)):
        with pytest.raises(ElfError, match="float16, float32 and float64"):
            paper.encode(values)


@pytest.mark.parametrize(
    ("size", "positions"), [(4, []), (6, [0, 0]), (6, [3, 1]), (6, [0, 4]), (6, [-1, 0]), (6, [0, 1, 2])]
)
def test_parts_that_do_not_belong_together_are_refused(size: int, positions: list[int]) -> None:
    rest = np.ones(2 if positions else 0, np.float32)
    with pytest.raises(ElfError):
        paper.decode(np.zeros(size, np.uint8), np.array(positions, np.int64), rest)
