"""What every peer of the table promises; a new one is tested by being in the table."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elf.codecs.peers import PEERS
from elf.codecs.peers.base import Peer, damage, fill
from elf.errors import ElfError
from tests.codecs.samples import FLOATS, NAMES, arrays, bit_patterns, same_bits, special, weights

INSTALLED = [name for name, peer in PEERS.items() if peer.installed()]
LOSSLESS = [name for name in INSTALLED if PEERS[name].lossless]
PAIRS = [(name, dtype) for name in LOSSLESS for dtype in NAMES if PEERS[name]().applies(dtype)]


def check_round_trip(peer: Peer, values: np.ndarray, dtype: str) -> None:
    data = peer.encode(values, dtype)
    assert data is not None
    assert data == peer.encode(values, dtype), "coding twice gave other bytes"
    out = np.empty_like(values)
    peer.decode(memoryview(data), out, dtype)
    assert same_bits(out, values)


@pytest.mark.parametrize(("name", "dtype"), PAIRS)
def test_every_kind_of_values_comes_back_bit_by_bit(name: str, dtype: str) -> None:
    samples = [*arrays(dtype), special(dtype)[:1], weights(dtype, 4099)]
    for values in samples:
        for part in (values, values[:1], values[:3], values[: values.size // 2 + 1]):
            check_round_trip(PEERS[name](), part, dtype)


@pytest.mark.parametrize("name", LOSSLESS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_bit_patterns_come_back(name: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([d for n, d in PAIRS if n == name]))
    check_round_trip(PEERS[name](), data.draw(bit_patterns(dtype)), dtype)


@pytest.mark.parametrize("name", LOSSLESS)
def test_large_odd_and_unaligned_blocks_come_back(name: str) -> None:
    dtype = next(d for d in ("f32", *NAMES) if (name, d) in PAIRS)
    values = weights(dtype, 70001)
    room = np.empty(values.nbytes + 1, np.uint8)
    room[1:] = values.view(np.uint8)
    for block in (values, room[1:].view(values.dtype)):
        check_round_trip(PEERS[name](), block, dtype)


@pytest.mark.parametrize("name", LOSSLESS)
def test_values_in_their_natural_shape_come_back(name: str) -> None:
    for dtype in [d for n, d in PAIRS if n == name and d in FLOATS]:
        values = weights(dtype, 2 * 3 * 4 * 5 * 6)
        for shape in ((720,), (24, 30), (2, 3, 4, 5, 6), (0, 5)):
            check_round_trip(PEERS[name]().shaped(shape), values, dtype)


@pytest.mark.parametrize("name", [name for name in LOSSLESS if not PEERS[name].fragile])
def test_damaged_blocks_give_an_error_or_some_values_but_never_a_crash(name: str) -> None:
    dtype = next(d for d in ("f32", *NAMES) if (name, d) in PAIRS)
    values = weights(dtype, 500)
    peer = PEERS[name]()
    data = peer.encode(values, dtype)
    assert data is not None
    places = range(0, len(data), max(1, len(data) // 40))
    cut = [data[:place] for place in places]
    flips = [data[:p] + bytes([data[p] ^ mask]) + data[p + 1 :] for p in places for mask in (1 << p % 8, 255)]
    refused = 0
    for bad in [*cut, *flips, b"", b"\0" * 64]:
        try:
            peer.decode(memoryview(bad), np.empty_like(values), dtype)
        except ElfError:
            refused += 1
    assert refused >= len(cut) // 2


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_block_of_another_length_is_refused(name: str) -> None:
    dtype = next(d for d in ("f32", *NAMES) if (name, d) in PAIRS)
    values = weights(dtype, 500)
    data = PEERS[name]().encode(values, dtype)
    assert data is not None
    for count in (499, 501, 1):
        with pytest.raises(ElfError):
            PEERS[name]().decode(memoryview(data), np.empty(count, values.dtype), dtype)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_can_be_written_down_and_made_again(name: str) -> None:
    peer = PEERS[name]()
    assert PEERS[name](**json.loads(json.dumps(peer.params))) == peer
    assert all(isinstance(value, int) for value in peer.params.values())
    assert "shape" not in peer.params


def test_zstd_gives_the_same_sizes_through_both_bindings() -> None:
    from elf.codecs.zstd import Zstd

    if "pyzstd" not in INSTALLED:
        pytest.skip("pyzstd is not installed")
    values = weights("f32", 200_001)
    for level in (1, 3, 9):
        theirs, ours = PEERS["pyzstd"](level=level).encode(values, "f32"), Zstd(level).encode(values, "f32")  # type: ignore[call-arg]
        assert theirs is not None
        assert len(theirs) == len(ours)


def test_decoded_bytes_must_fill_the_block_exactly() -> None:
    out = np.zeros(3, np.float32)
    with pytest.raises(ElfError, match="8 bytes for a block of 12"):
        fill(out, bytes(8))


def test_a_library_error_becomes_one_line() -> None:
    with pytest.raises(ElfError, match="damaged data: two lines"), damage(ValueError):
        raise ValueError("two\n lines")
