"""Transforms lose nothing, cover every bit once, and codecs behind them refuse what is damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.aggregate.parameters import packed_bytes
from analysis.compression.behind import Behind
from analysis.compression.dictionary import ValueDictionary
from analysis.compression.transforms import TRANSFORMS
from elf.codecs.base import Codec
from elf.codecs.stored import Stored
from elf.codecs.zstd import Zstd
from elf.errors import ElfError
from elf.tensor import DTYPES
from tests.codecs.samples import FLOATS, NAMES, arrays, bit_patterns, same_bits, weights

PAIRS = [(name, dtype) for name, transform in TRANSFORMS.items() for dtype in NAMES if transform.applies(dtype)]
CODERS: list[Codec] = [*(Behind(name, Zstd(3)) for name in TRANSFORMS), ValueDictionary(0), ValueDictionary(3)]


def name_of(codec: Codec) -> str:
    return codec.transform if isinstance(codec, Behind) else f"{codec.name}-{codec.params['level']}"


@pytest.mark.parametrize(("name", "dtype"), PAIRS)
def test_every_bit_is_in_one_stream(name: str, dtype: str) -> None:
    numpy = DTYPES[dtype].numpy
    assert numpy is not None
    bits = [shift + i for shift, width in TRANSFORMS[name].layout(dtype) for i in range(width)]
    assert sorted(set(bits)) == sorted(bits)
    assert set(range(8 * numpy.itemsize)) <= set(bits)


@pytest.mark.parametrize("name", TRANSFORMS)
@settings(max_examples=40)
@given(data=st.data())
def test_any_bit_patterns_come_back_from_their_streams(name: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([d for n, d in PAIRS if n == name]))
    values = data.draw(bit_patterns(dtype))
    before, out = values.tobytes(), np.empty_like(values)
    TRANSFORMS[name].inverse(TRANSFORMS[name].forward(values, dtype), out, dtype)
    assert same_bits(out, values)
    assert values.tobytes() == before


def test_fields_are_sign_mantissa_and_exponent() -> None:
    streams = TRANSFORMS["fields"].forward(np.array([-1.5, 2.0] * 4, np.float32), "f32")
    signs, low, middle, exponents = streams[0], streams[1], streams[2], streams[-1]
    assert signs.tolist() == [0b01010101]
    assert low.tolist() == middle.tolist() == [0] * 8
    assert exponents.tolist() == [127, 128] * 4


def test_small_steps_of_either_sign_become_small() -> None:
    streams = TRANSFORMS["zigzag_delta"].forward(np.array([5, 4, 6, 6], np.int32), "i32")
    assert streams[0].tolist() == [10, 1, 4, 0]
    assert not any(stream.any() for stream in streams[1:])


@pytest.mark.parametrize("codec", CODERS, ids=name_of)
def test_values_come_back_through_a_codec(codec: Codec) -> None:
    for dtype in (*FLOATS, "i64", "u8", "bool"):
        for values in arrays(dtype) if codec.applies(dtype) else ():
            for part in (values, values[:1], values[:3]):
                data, out = codec.encode(part, dtype), np.empty_like(part)
                assert data is not None
                codec.decode(memoryview(data), out, dtype)
                assert same_bits(out, part)


@pytest.mark.parametrize("codec", [*CODERS, Behind("fields", Stored())], ids=name_of)
def test_damaged_bytes_are_an_error_or_some_values(codec: Codec) -> None:
    values = np.resize(weights("f32", 40), 400)
    data = codec.encode(values, "f32")
    assert data is not None
    for place in range(0, len(data), max(1, len(data) // 60)):
        for bad in (data[:place], data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]):
            try:
                codec.decode(memoryview(bad), np.empty_like(values), "f32")
            except ElfError:
                continue


def test_a_dictionary_is_as_large_as_hash_deduplication_counts_it() -> None:
    values = np.resize(weights("f32", 300), 5000)
    distinct = np.unique(values.view(np.uint32)).size
    data = ValueDictionary(0).encode(values, "f32")
    assert len(data) - (4 * distinct + packed_bytes(5000, distinct)) < 8 + len("one byte a plane at most")
