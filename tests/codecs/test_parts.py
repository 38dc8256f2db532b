"""What codecs share: numbers and planes in bytes, the entropy stage, the choice of what is nested in another codec."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from elf.codecs.entropy import expand, expand_frame, squeeze
from elf.codecs.nested import INNER, decode_best, encode_best, sample, shortlist
from elf.codecs.packed import alternate, unalternate
from elf.codecs.planes import decode_planes, encode_planes
from elf.codecs.split import sign_first, sign_last
from elf.codecs.varint import Reader, prefixed, unzigzag, varint, zigzag
from elf.codecs.widths import narrow, widen
from elf.errors import ElfError
from tests.codecs.samples import same_bits, weights

WORDS = st.sampled_from([np.uint8, np.uint16, np.uint32, np.uint64])


@given(st.integers(0, (1 << 63) - 1))
def test_numbers_come_back(number: int) -> None:
    reader = Reader(varint(number))
    assert reader.varint() == number
    reader.end()


@given(st.integers(-(1 << 62), (1 << 62) - 1))
def test_zigzag_numbers_come_back(number: int) -> None:
    assert zigzag(number) >= 0
    assert unzigzag(zigzag(number)) == number


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 8, b"\x80" * 9 + b"\1"])
def test_a_number_that_does_not_end_is_refused(data: bytes) -> None:
    with pytest.raises(ElfError, match=r"early|long"):
        Reader(data).varint()


def test_a_reader_stays_within_its_data() -> None:
    reader = Reader(prefixed(b"ab", b"c") + b"d")
    assert bytes(reader.prefixed()) == b"abc"
    with pytest.raises(ElfError, match="follows"):
        reader.end()
    with pytest.raises(ElfError, match="early"):
        reader.take(2)
    assert bytes(reader.rest()) == b"d"


@given(st.binary(max_size=300) | st.builds(lambda b, n: b * n, st.binary(min_size=1, max_size=3), st.integers(1, 200)))
def test_squeezed_bytes_come_back_and_are_never_longer(raw: bytes) -> None:
    kind, kept = squeeze(raw)
    assert len(kept) <= len(raw)
    assert bytes(expand(memoryview(kind + bytes(kept)), len(raw))) == raw


@pytest.mark.parametrize("size", [0, 65536, 65537, 1 << 20])
def test_long_random_bytes_are_left_alone_and_long_regular_ones_are_not(size: int) -> None:
    raw = np.random.default_rng(0).bytes(size)
    assert squeeze(raw) == (b"\0", raw)
    assert len(squeeze(bytes(size))[1]) <= size // 100


def test_a_frame_that_claims_more_than_it_may_is_refused_before_memory_is_asked_for() -> None:
    frame = zstandard.ZstdCompressor().compress(bytes(1 << 20))
    with pytest.raises(ElfError, match="1048576 bytes instead of 10"):
        expand_frame(frame, 10, zstandard.ZstdDecompressor(), zstandard.FORMAT_ZSTD1)
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20))
    with pytest.raises(ElfError):
        expand_frame(silent, 10, zstandard.ZstdDecompressor(), zstandard.FORMAT_ZSTD1)
    with pytest.raises(ElfError):
        expand_frame(silent, 1 << 21, zstandard.ZstdDecompressor(), zstandard.FORMAT_ZSTD1)


@given(WORDS, st.integers(0, 64), st.integers(0, 64), st.integers(1, 40), st.integers(0, 9))
def test_planes_come_back_whatever_their_boundary(word: Any, low: int, bits: int, count: int, seed: int) -> None:
    bits = min(bits, np.dtype(word).itemsize * 8)
    codes = np.random.default_rng(seed).integers(0, 1 << bits, count, word, endpoint=False)
    back = np.empty_like(codes)
    data = encode_planes(codes, low, bits, b"before")
    assert data.startswith(b"before")
    decode_planes(memoryview(data)[6:], back)
    assert np.array_equal(back, codes)


def test_codes_without_any_pattern_take_their_bits_and_a_few_bytes() -> None:
    codes = np.random.default_rng(0).integers(0, 1 << 13, 8000, np.uint32)
    assert len(encode_planes(codes, 5, 13)) <= 13 * 8000 / 8 + 20


@given(st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=1))
def test_alternating_and_turning_bits_undo_each_other(numbers: list[int]) -> None:
    values = np.array(numbers, np.int32)
    bits = values.view(np.uint32)
    codes = alternate(bits)
    assert codes.tolist() == [zigzag(number) for number in numbers]
    unalternate(codes)
    assert np.array_equal(codes, bits)
    turned = sign_last(bits)
    assert np.array_equal(turned & np.uint32(1), (values < 0).astype(np.uint32))
    sign_first(turned)
    assert np.array_equal(turned, bits)


def test_bf16_rounds_as_its_reference_does() -> None:
    import ml_dtypes

    halves = (np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)) + np.uint32(0x8000)
    rng = np.random.default_rng(0)
    bits = np.concatenate([halves, rng.integers(0, 1 << 32, 1 << 16, np.uint32)])
    values = bits.view(np.float32)
    values = values[~np.isnan(values)]
    with np.errstate(over="ignore"):
        expected = values.astype(ml_dtypes.bfloat16).view(np.uint16)
    assert np.array_equal(narrow(values, "bf16"), expected)
    assert np.array_equal(widen(expected, "bf16"), expected.view(ml_dtypes.bfloat16).astype(np.float32))


def test_a_nan_stays_a_nan_in_bf16() -> None:
    values = np.array([0x7F800001, 0xFFFFFFFF, 0x7FC00000], np.uint32).view(np.float32)
    assert np.isnan(widen(narrow(values, "bf16"), "bf16")).all()


@pytest.mark.parametrize("values", [weights("f32", 40000), np.zeros(40000, np.float32), weights("f32", 0)])
def test_what_is_nested_comes_back(values: NDArray[np.float32]) -> None:
    out = np.empty_like(values)
    decode_best(memoryview(encode_best(values, "f32")), out, "f32")
    assert same_bits(out, values)


def test_a_codec_that_is_not_there_or_does_not_take_the_dtype_is_refused() -> None:
    split = next(index for index, codec in enumerate(INNER) if codec.name == "split")
    with pytest.raises(ElfError, match="number 99"):
        decode_best(memoryview(bytes([99])), np.empty(1, np.uint8), "u8")
    with pytest.raises(ElfError, match="u8"):
        decode_best(memoryview(bytes([split])), np.empty(1, np.uint8), "u8")


def test_the_sample_is_the_whole_of_a_short_array_and_a_small_part_of_a_long_one() -> None:
    short, long = np.arange(4096), np.arange(100_000)
    assert sample(short) is short
    few = sample(long)
    assert few.size == 2048
    assert (few[0], few[-1]) == (0, 99_999)


def test_the_shortlist_holds_the_best_and_drops_the_hopeless() -> None:
    names = [codec.name for _, codec in shortlist(weights("f32", 100_000), "f32", INNER)]
    assert "split" in names
    assert not {"stored", "zstd"} & set(names)
