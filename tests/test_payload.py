"""The coded bytes of one tensor: self-describing, the same always, and safe to open whatever they are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import xxhash
from numpy.typing import NDArray

from elf import payload
from elf.codecs import CODECS
from elf.codecs.base import Codec
from elf.codecs.constant import Constant
from elf.codecs.delta import Xor
from elf.codecs.elf import Elf
from elf.codecs.split import Split
from elf.codecs.stored import Stored
from elf.codecs.varint import prefixed, varint
from elf.codecs.zstd import Zstd
from elf.errors import ElfError
from elf.payload import Payload
from tests.codecs.samples import same_bits, weights


def coded(values: NDArray[Any], dtype: str, codec: Codec, **options: int) -> bytes:
    data = payload.encode(values, dtype, values.shape, codec, **options)
    assert data is not None
    return data


def sealed(head: bytes, blocks: bytes = b"", index: bytes = b"") -> bytes:
    """A payload with a checksum that is right, whatever its parts are."""
    return head + blocks + index + xxhash.xxh3_64_intdigest(head + index).to_bytes(8, "little")


def entry(block: bytes, values: bytes) -> bytes:
    return len(block).to_bytes(4, "little") + xxhash.xxh3_64_intdigest(values).to_bytes(8, "little")


def head(*, codec: bytes = b"stored", version: int = 1, params: tuple[int, ...] = (), shape: tuple[int, ...] = (4,),
         dtype: bytes = b"u8", coded: bytes = b"u8", count: int = 4, block: int = 1 << 20) -> bytes:  # fmt: skip
    numbers = (version, len(params), *params, len(shape), *shape)
    return b"".join([b"elf\1", prefixed(codec), *map(varint, numbers), prefixed(dtype), prefixed(coded),
                     varint(count), varint(block)])  # fmt: skip


def test_the_layout_is_the_documented_one() -> None:
    expected = sealed(head(), b"abcd", entry(b"abcd", b"abcd"))
    assert coded(np.frombuffer(b"abcd", np.uint8), "u8", Stored()) == expected


def test_a_payload_says_what_it_holds() -> None:
    values = weights("bf16", 600)
    data = payload.encode(values, "bf16", (2, 3, 100), Elf(-12))
    opened = Payload(data or b"").head
    assert (opened.codec, opened.dtype, opened.shape, opened.count) == (Elf(-12), "bf16", (2, 3, 100), 600)
    assert opened.nbytes == 1200


@pytest.mark.parametrize(("shape", "count"), [((), 1), ((0,), 0), ((3, 0, 2), 0), ((1, 1, 1), 1), ((2, 50), 100)])
def test_any_shape_comes_back(shape: tuple[int, ...], count: int) -> None:
    values = weights("f32", count)
    data = payload.encode(values, "f32", shape, Split())
    opened = Payload(data or b"")
    assert opened.head.shape == shape
    assert same_bits(opened.decode(), values)


def test_types_without_a_numpy_type_are_coded_as_their_bytes() -> None:
    raw = np.arange(50, dtype=np.uint8)
    data = payload.encode(raw, "i4", (99,), Zstd())
    opened = Payload(data or b"")
    assert (opened.head.dtype, opened.head.coded, opened.head.shape) == ("i4", "u8", (99,))
    assert same_bits(opened.decode(), raw)


@pytest.mark.parametrize("codec", [Elf(), Split(), Zstd()])
@pytest.mark.parametrize("block_bytes", [64, 1000, 1 << 20])
def test_threads_and_repetition_do_not_change_a_byte(codec: Codec, block_bytes: int) -> None:
    values = weights("f32", 3001)
    datas = {coded(values.copy(), "f32", codec, block_bytes=block_bytes, threads=threads) for threads in (1, 2, 5, 1)}
    assert len(datas) == 1
    opened = Payload(datas.pop())
    assert same_bits(opened.decode(threads=3), opened.decode())


def test_blocks_stand_alone() -> None:
    values = weights("f32", 1000)
    opened = Payload(coded(values, "f32", Split(), block_bytes=1200))
    assert opened.head.n_blocks == 4
    for number in reversed(range(4)):
        start, stop = opened.head.span(number)
        out = np.empty(stop - start, np.float32)
        opened.decode_block(number, out)
        assert same_bits(out, values[start:stop])


def test_pieces_are_the_whole() -> None:
    values = weights("f32", 1000)
    pieces = list(payload.encode_pieces(values, "f32", values.shape, Split(), block_bytes=1200))
    assert b"".join(piece for piece in pieces if piece is not None) == coded(values, "f32", Split(), block_bytes=1200)
    assert len(pieces) == 1 + 4 + 2


def test_a_codec_that_declines_a_block_gives_nothing() -> None:
    values = np.zeros(1000, np.float32)
    values[-1] = 1
    assert payload.encode(values, "f32", values.shape, Constant(), block_bytes=400) is None


def test_it_decodes_into_the_array_that_is_given() -> None:
    values, out = weights("f32", 100), np.empty(100, np.float32)
    assert Payload(coded(values, "f32", Split())).decode(out=out) is out
    assert same_bits(out, values)


@pytest.mark.parametrize(
    ("values", "dtype", "shape"),
    [
        (np.zeros(4, np.float32), "f32", (5,)),
        (np.zeros(4, np.float64), "f32", (4,)),
        (np.zeros(4, np.float32), "f99", (4,)),
        (np.zeros(4, np.uint8), "i4", (9,)),
    ],
)
def test_values_that_are_not_the_tensor_are_refused(values: NDArray[Any], dtype: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ElfError):
        payload.encode(values, dtype, shape, Stored())


def test_a_codec_for_other_types_is_refused() -> None:
    with pytest.raises(ElfError, match="split"):
        payload.encode(np.zeros(4, np.int32), "i32", (4,), Split())


def test_a_delta_needs_its_own_relative() -> None:
    near = weights("f32", 1000)
    values = near * np.float32(1.001)
    data = coded(values, "f32", Xor().against(near), block_bytes=1200)
    assert same_bits(Payload(data).decode(relative=near), values)
    for wrong in (None, values, near[:-1], near.astype(np.float64)):
        with pytest.raises(ElfError, match=r"relative|checksum"):
            Payload(data).decode(relative=wrong)


def small() -> list[tuple[bytes, NDArray[Any]]]:
    tensors = [(weights("f32", 40), "f32", Elf(), 96), (weights("f16", 30), "f16", Split(), 1 << 20),
               (np.zeros(9, np.int64), "i64", Constant(), 1 << 20)]  # fmt: skip
    datas = [coded(values, dtype, codec, block_bytes=block) for values, dtype, codec, block in tensors]
    return [(data, Payload(data).decode()) for data in datas]


def test_every_truncation_is_refused() -> None:
    for data, _ in small():
        for end in range(len(data)):
            with pytest.raises(ElfError):
                Payload(data[:end]).decode()
        with pytest.raises(ElfError):
            Payload(data + b"\0").decode()


def test_every_flipped_bit_and_every_other_byte_is_an_error_or_exact() -> None:
    for data, right in small():
        shape, dtype = Payload(data).head.shape, Payload(data).head.dtype
        for place, byte in itertools.product(range(len(data)), range(0, 256, 3)):
            try:
                opened = Payload(data[:place] + bytes([byte]) + data[place + 1 :])
                values = opened.decode()
            except ElfError:
                continue
            assert (opened.head.shape, opened.head.dtype) == (shape, dtype)
            assert same_bits(values, right)


def test_blocks_that_change_places_are_refused() -> None:
    values = weights("f32", 100)
    data = coded(values, "f32", Stored(), block_bytes=200)
    opened = Payload(data)
    first, second = (data[opened.starts[i] : opened.starts[i + 1]] for i in (0, 1))
    swapped = data.replace(first, b"#" * len(first)).replace(second, first).replace(b"#" * len(first), second)
    with pytest.raises(ElfError, match="block 0"):
        Payload(swapped).decode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "early"),
        (b"ELF\1", "not a tensor"),
        (b"elf\2" + b"?" * 50, "payload version 2"),
        (sealed(head(codec=b"zipper")), "'zipper'"),
        (sealed(head(codec=b"stored", version=2)), "version 2 of stored"),
        (sealed(head(params=(1,))), "1 parameters"),
        (sealed(head(codec=b"x" * 65)), "head"),
        (sealed(head(shape=(1,) * 65)), "head"),
        (sealed(head(shape=(5,))), "elements"),
        (sealed(head(shape=((1 << 62),) * 64, count=(1 << 63) - 1)), "elements"),
        (sealed(head(block=0)), "elements"),
        (sealed(head(dtype=b"q7")), "'q7'"),
        (sealed(head(dtype=b"f32", coded=b"f16", shape=(2,))), "f32"),
        (sealed(head(codec=b"split")), "split"),
        (sealed(head(codec=b"elf", params=(1 << 40,), dtype=b"f32", coded=b"f32")), "codec elf"),
        (sealed(head(shape=(1 << 60,), count=1 << 60)), "shorter than its index"),
        (sealed(head(shape=(1 << 31,), count=1 << 31, block=(1 << 32) - 1), index=entry(b"", b"")), "bytes"),
        (sealed(head(), b"abc", entry(b"abcd", b"abcd")), "fill"),
        (sealed(head(), b"abcd", entry(b"abcd", b"abce")), "checksum"),
        (sealed(head(), b"abcde", entry(b"abcde", b"abcd")), "5 bytes"),
    ],
)
def test_what_was_made_to_mislead_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(ElfError, match=reason):
        Payload(data).decode()


def test_a_small_payload_cannot_ask_for_much_memory() -> None:
    values = np.zeros(1 << 20, np.uint8)
    assert len(coded(values, "u8", Constant())) * payload.EARNED > values.nbytes
    with pytest.raises(ElfError, match="smaller blocks"):
        payload.encode(np.zeros(1 << 24, np.uint8), "u8", (1 << 24,), Constant(), block_bytes=1 << 24)


@dataclass(frozen=True)
class Newer(Stored):
    """A codec of another version."""

    version: ClassVar[int] = 7


def test_another_version_of_a_codec_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = coded(np.zeros(4, np.uint8), "u8", Stored())
    monkeypatch.setitem(CODECS, "stored", Newer)
    with pytest.raises(ElfError, match="version 1 of stored; this library has 7"):
        Payload(data)
