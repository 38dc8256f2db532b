"""What every codec of the table promises; a new one is tested by being in the table."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from elf import payload
from elf.codecs import CODECS
from elf.codecs.base import FLOATS, Codec
from elf.codecs.elf import Elf
from elf.codecs.widths import widen
from elf.errors import ElfError
from tests.codecs.samples import NAMES, arrays, bit_patterns, instance, same_bits, weights

PAIRS = [(name, dtype) for name in CODECS for dtype in NAMES if CODECS[name]().applies(dtype)]


def check_round_trip(codec: Codec, values: NDArray[Any], dtype: str) -> None:
    """One block through the codec: the same bits back, or what the codec said, within its bound."""
    coded = codec.encode_with_result(values, dtype)
    if coded is None:
        return
    data, result = coded[0], coded[1].copy()
    assert data == codec.encode(values, dtype), "coding twice gave other bytes"
    out = np.empty_like(values)
    codec.decode(memoryview(data), out, dtype)
    assert same_bits(out, result)
    if codec.lossless:
        assert same_bits(out, values)
    else:
        assert isinstance(codec, Elf)
        check_bound(values, out, dtype, codec.bound)


def check_bound(values: NDArray[Any], out: NDArray[Any], dtype: str, bound: float) -> None:
    bits = f"u{values.itemsize}"
    kept = values.view(bits) == out.view(bits)
    with np.errstate(invalid="ignore"):
        wide, back = widen(values, dtype).astype(np.float64), widen(out, dtype).astype(np.float64)
        near = np.abs(wide - back) <= bound
    assert np.all(kept | near)
    turned = np.signbit(wide) != np.signbit(back)
    assert not np.any(turned & ((wide == 0) | (back != 0))), "a sign is lost only where a value becomes zero"


@pytest.mark.parametrize(("name", "dtype"), PAIRS)
def test_every_kind_of_values_comes_back(name: str, dtype: str) -> None:
    for values in arrays(dtype):
        for part in (values, values[:1], values[:2], values[: values.size // 2]):
            check_round_trip(instance(name, part), part, dtype)


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_bit_patterns_come_back(name: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([d for n, d in PAIRS if n == name]))
    values = data.draw(bit_patterns(dtype))
    check_round_trip(instance(name, values), values, dtype)


@pytest.mark.parametrize("name", CODECS)
def test_whole_and_odd_blocks_of_weights_come_back(name: str) -> None:
    dtype = next(d for d in ("f32", *NAMES) if (name, d) in PAIRS)
    for count in (65536, 70001):
        values = weights(dtype, count)
        check_round_trip(instance(name, values), values, dtype)


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_is_made_for_something(name: str) -> None:
    dtypes = [dtype for codec, dtype in PAIRS if codec == name]
    assert any(instance(name, v).encode(v, dtype) is not None for dtype in dtypes for v in arrays(dtype))


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_can_be_written_down_and_made_again(name: str) -> None:
    codec = CODECS[name]()
    assert codec.name == name
    assert CODECS[name](**json.loads(json.dumps(codec.params))) == codec
    assert all(isinstance(value, int) for value in codec.params.values())


def coded_samples(name: str) -> list[tuple[Codec, NDArray[Any], str, bytes]]:
    """A few blocks of at most three dtypes that the codec takes, with their coded bytes."""
    found = []
    for dtype in [d for n, d in PAIRS if n == name and d in (*FLOATS, "u16", "i64")][:3]:
        for values in arrays(dtype):
            codec = instance(name, values)
            data = codec.encode(values, dtype)
            if data is not None:
                found.append((codec, values, dtype, data))
    return found[:6]


def damaged(data: bytes, step: int) -> list[bytes]:
    """Truncations, flips of one bit in turn, and bytes set to the ends of their range, at every `step`th place."""
    places = range(0, len(data), step)
    cut = [data[:place] for place in places]
    flips = [data[:p] + bytes([data[p] ^ mask]) + data[p + 1 :] for p in places for mask in (1 << p % 8, 128, 255)]
    return [*cut, *flips, data + b"\0", b""]


@pytest.mark.parametrize("name", CODECS)
def test_damaged_blocks_give_an_error_or_some_values_but_never_a_crash(name: str) -> None:
    for codec, values, dtype, data in coded_samples(name):
        for bad in damaged(data, max(1, len(data) // 150)):
            out = np.zeros_like(values)
            try:
                codec.decode(memoryview(bad), out, dtype)
            except ElfError:
                continue


@pytest.mark.parametrize("name", CODECS)
def test_a_damaged_payload_gives_an_error_or_the_exact_values(name: str) -> None:
    refused = 0
    for codec, values, dtype, _ in coded_samples(name)[:3]:
        data = payload.encode(values, dtype, values.shape, codec)
        assert data is not None
        relative = np.ascontiguousarray(values[::-1])
        right = payload.Payload(data).decode(relative=relative)
        for bad in damaged(data, max(1, len(data) // 200)):
            try:
                assert same_bits(payload.Payload(bad).decode(relative=relative), right)
            except ElfError:
                refused += 1
    assert refused > 100
