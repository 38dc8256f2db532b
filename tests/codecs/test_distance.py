"""Distance encoding against the published description, written down as strings of bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from elf.codecs.distance import Distance
from elf.codecs.varint import varint
from elf.errors import ElfError
from elf.kernels.distance import decode, encode


def plainly(items: list[bytes], field: int = 5) -> tuple[str, list[bytes]]:
    """The bit string and the distinct values of a list, as the study describes them."""
    last: dict[bytes, int] = {}
    bits, distinct = "", []
    for position, item in enumerate(items):
        if item in last:
            distance = f"{position - last[item]:b}"
            bits += f"1{len(distance):0{field}b}{distance}"
        else:
            bits += "0"
            distinct.append(item)
        last[item] = position
    return bits, distinct


def items(values: NDArray[Any]) -> list[bytes]:
    return [value.tobytes() for value in values]


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=300))
def test_the_bytes_are_those_of_the_published_description(numbers: list[int]) -> None:
    values = np.array([0.0, -0.0, 1.5, np.nan, -np.nan, np.inf, 1e-45], np.float32)[numbers]
    bits, distinct = plainly(items(values))
    padded = bits + "0" * (-len(bits) % 8)
    stream = bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))
    assert Distance().encode(values, "f32") == varint(len(distinct)) + b"".join(distinct) + stream


def test_zeros_of_both_signs_and_every_nan_are_their_own() -> None:
    values = np.array([0x0, 0x8000, 0x7E00, 0x7E01, 0xFE00] * 3, np.uint16).view(np.float16)
    out = np.empty_like(values)
    Distance().decode(memoryview(Distance().encode(values, "f16")), out, "f16")
    assert out.tobytes() == values.tobytes()


@pytest.mark.parametrize("field", [5, 6])
def test_a_long_distance_comes_back(field: int) -> None:
    bits = np.arange(300_000, dtype=np.uint32)
    bits[-1] = 0
    stream, distinct = np.zeros(bits.size * 5, np.uint8), np.empty_like(bits)
    used, found = encode(bits, np.full(1 << 20, -1, np.int64), stream, distinct, field)
    assert used == bits.size + field + (bits.size - 1).bit_length()
    assert found == bits.size - 1
    out = np.empty_like(bits)
    assert decode(stream[: -(-used // 8)], distinct[:found], field, out) == (used, found)
    assert np.array_equal(out, bits)


def test_weights_without_repeats_grow() -> None:
    values = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    assert len(Distance().encode(values, "f32")) > values.nbytes


@pytest.mark.parametrize("stream", ["1", "10", "1000001", "1000010", "1000000", "0" + "111111" + "1" * 31, "00", ""])
def test_a_stream_that_points_nowhere_is_refused(stream: str) -> None:
    padded = stream + "0" * (-len(stream) % 8)
    data = varint(1) + b"\1\0" + bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))
    with pytest.raises(ElfError, match="damaged"):
        Distance().decode(memoryview(data), np.empty(4, np.uint16), "u16")
