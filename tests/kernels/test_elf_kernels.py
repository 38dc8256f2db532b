"""The kernels of Elf and of planes against loops that anyone can read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elf.kernels.elf import dequantize, dequantize_bytes, magnitudes, quantize, quantize_bytes
from elf.kernels.planes import put, take


def some(count: int, kind: Any = np.float32) -> NDArray[Any]:
    return (np.random.default_rng(count).standard_normal(count) * 0.3).astype(kind)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 63, 1000])
def test_quantize_counts_what_it_cannot_hold_and_codes_the_rest(kind: Any, count: int) -> None:
    values = some(count, kind)
    values[count // 2] = np.nan
    values[-1] = 5
    word = np.dtype(kind).itemsize * 8
    bits = values.view(f"u{word // 8}")
    codes, restored = np.empty_like(bits), np.empty_like(values)
    broken = quantize(values, bits, codes, restored, kind(4), kind(2**20), kind(2.0**-20), kind(2.0**-21),
                      bits.dtype.type(word - 1))  # fmt: skip
    assert broken == len({count // 2, count - 1})
    for i in set(range(count)) - {count // 2, count - 1}:
        steps = round(float(abs(values[i])) * 2**20)
        assert codes[i] == 2 * steps + (values[i] < 0)
        assert restored[i] == np.copysign(steps * 2.0**-20, values[i])
    back = np.empty_like(values)
    dequantize(codes, back, kind(2.0**-20))
    sound = np.arange(count) % (count - 1 if count > 1 else 1) != count // 2
    sound[-1] = False
    assert np.array_equal(back[sound], restored[sound])


@pytest.mark.parametrize("count", [1, 15, 16, 17, 1000])
def test_three_byte_planes_hold_the_same_codes(count: int) -> None:
    values = np.clip(some(count), -0.99, 0.99)
    planes = np.empty((3, count), np.uint8)
    restored, back = np.empty_like(values), np.empty_like(values)
    worst = quantize_bytes(values, values.view(np.uint32), planes[0], planes[1], planes[2], restored,
                           np.float32(2**23), np.float32(2.0**-23))  # fmt: skip
    codes = planes[0] + planes[1] * np.uint32(256) + planes[2] * np.uint32(65536)
    assert codes.tolist() == [2 * round(float(abs(v)) * 2**23) + int(v < 0) for v in values]
    assert np.array([worst], np.uint32).view(np.float32)[0] == np.abs(restored - values).max()
    dequantize_bytes(planes[0], planes[1], planes[2], back, np.float32(2.0**-23))
    assert back.tobytes() == restored.tobytes()


def test_the_worst_error_of_a_nan_is_above_every_bound() -> None:
    values = np.array([0.1, np.nan], np.float32)
    planes = np.empty((3, 2), np.uint8)
    worst = quantize_bytes(values, values.view(np.uint32), planes[0], planes[1], planes[2], np.empty_like(values),
                           np.float32(2**23), np.float32(2.0**-23))  # fmt: skip
    assert worst > np.array([np.inf], np.float32).view(np.uint32)[0]


@pytest.mark.parametrize("count", [1, 100])
def test_magnitudes_are_the_largest_one_and_the_sum_of_exponents_above_a_floor(count: int) -> None:
    values = some(count)
    bits = values.view(np.uint32)
    kind = np.uint32
    largest, total = magnitudes(bits, kind(0x7FFFFFFF), kind(23), kind(124))
    assert largest == np.abs(values).max().view(np.uint32)
    assert total == sum(max(int(np.frexp(v)[1]) + 126, 124) for v in values)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.uint64])
@pytest.mark.parametrize("count", [1, 3, 8, 9, 257])
def test_a_plane_holds_its_bits_and_nothing_else(width: int, kind: Any, count: int) -> None:
    word = np.dtype(kind).itemsize * 8
    codes = np.random.default_rng(count).integers(0, 1 << word, count, dtype=kind, endpoint=False)
    for shift in {0, word // 2 - 1, word - width}:
        plane = np.full(-(-count * width // 8), 255, np.uint8)
        take(codes, kind(shift), width, plane)
        field = [int(code) >> shift & ((1 << width) - 1) for code in codes]
        expected = [sum(f << k * width for k, f in enumerate(field[i :: plane.size])) for i in range(plane.size)]
        assert plane.tolist() == expected
        back = np.zeros_like(codes)
        put(plane, kind(shift), width, back)
        assert [int(code) for code in back] == [f << shift for f in field]
