"""What the lossy peers promise: the bound on ordinary weights, and no silence about the rest where it is ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from elf import paper
from elf.codecs.peers import PEERS
from elf.codecs.peers.base import Peer
from elf.codecs.peers.bitround import BitRound, rounded_to
from elf.codecs.peers.casts import CastBf16, CastF16
from elf.codecs.peers.integers import Int8, Int16, Integers
from elf.codecs.peers.published import Published
from elf.codecs.peers.quantized import Quantized, steps
from elf.codecs.peers.sz3 import Sz3
from elf.codecs.peers.uniform import Uniform, planes
from elf.codecs.peers.zfp import Zfp, matrix

Floats = NDArray[np.float32]
LADDER = (24, 16, 10)
BOUNDED: list[type[Peer]] = [Sz3, Zfp, Quantized, Uniform, BitRound]


def weights(count: int, seed: int = 0) -> Floats:
    return (np.random.default_rng(seed).standard_normal(count) * 0.05).astype(np.float32)


def restored(codec: Peer, values: Floats) -> Floats:
    data = codec.encode(values, "f32")
    assert data is not None
    assert data == codec.encode(values, "f32"), "coding twice gave other bytes"
    out = np.empty_like(values)
    codec.decode(memoryview(data), out, "f32")
    return out


def installed(kind: type[Peer]) -> type[Peer]:
    if kind.installed() is None:
        pytest.skip(f"{kind.package} is not installed")
    return kind


@pytest.mark.parametrize("step", LADDER)
@pytest.mark.parametrize("kind", BOUNDED, ids=lambda kind: kind.name)
def test_ordinary_weights_stay_within_the_bound(kind: type[Peer], step: int) -> None:
    for count in (1, 2, 63, 5001):
        values = weights(count)
        error = np.abs(restored(installed(kind)(step=step), values).astype(np.float64) - values)
        assert error.max() <= 2.0**-step


@pytest.mark.parametrize("kind", [Sz3, Zfp], ids=lambda kind: kind.name)
def test_the_natural_shape_gives_the_same_values_in_the_same_order(kind: type[Peer]) -> None:
    values = weights(24 * 10 * 3)
    out = restored(installed(kind)(step=16).shaped((24, 10, 3)), values)
    assert np.abs(out - values).max() <= 2.0**-16


@pytest.mark.parametrize("kind", [Quantized, Uniform, BitRound, Int8, Int16], ids=lambda kind: kind.name)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_we_quantize_ourselves_refuses_values_that_are_not_finite(kind: type[Peer], value: float) -> None:
    values = weights(64)
    values[7] = value
    assert kind().encode(values, "f32") is None


def test_zfp_turns_nan_into_a_number_which_is_why_its_output_is_compared() -> None:
    values = weights(64)
    values[7] = np.nan
    assert np.isfinite(restored(installed(Zfp)(step=24), values)).all()


@pytest.mark.parametrize("kind", [Quantized, Uniform], ids=lambda kind: kind.name)
def test_quantized_values_are_the_nearest_multiples_of_two_bounds(kind: type[Peer]) -> None:
    values = weights(3000)
    expected = np.array([round(float(value) * 2.0**15) for value in values]) * 2.0**-15
    assert np.array_equal(restored(kind(step=16), values), expected.astype(np.float32))


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=200), st.sampled_from(LADDER))
@settings(max_examples=60, deadline=None)
def test_uniform_codes_take_the_bits_of_their_range_and_come_back(numbers: list[float], step: int) -> None:
    values = np.array(numbers, np.float32)
    whole = steps(values, step)
    assert whole is not None
    bits = int(whole.max() - whole.min()).bit_length()
    data = Uniform(step=step).encode(values, "f32")
    assert data is not None
    assert len(data) == 9 + sum(-(-values.size * width // 8) for _, width in planes(bits))
    assert np.abs(restored(Uniform(step=step), values).astype(np.float64) - values).max() <= 2.0**-step


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=100), st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_bit_rounding_gives_the_nearest_float_with_fewer_bits(numbers: list[float], dropped: int) -> None:
    values = np.array(numbers, np.float32)
    found = rounded_to(values, dropped)
    assert not np.any(found.view(np.uint32) & np.uint32((1 << dropped) - 1))
    spacing = np.maximum(np.spacing(np.abs(values)).astype(np.float64), 2.0**-149) * 2.0**dropped
    assert np.all(np.abs(found.astype(np.float64) - values) <= spacing / 2)


def test_the_published_layout_in_parts_is_that_of_one_part() -> None:
    values = weights((1 << 18) + 77)
    values[[5, 1 << 18, (1 << 18) + 3]] = [1.5, np.nan, -np.inf]
    out = restored(Published(), values)
    codes, positions, kept = paper.encode(values)
    assert np.array_equal(out, paper.decode(codes, positions, kept), equal_nan=True)


@pytest.mark.parametrize("kind", [CastBf16, CastF16], ids=lambda kind: kind.name)
def test_a_cast_is_off_by_half_a_unit_of_its_last_bit(kind: type[Peer]) -> None:
    values = weights(4000)
    limit = 2.0**-8 if kind is CastBf16 else 2.0**-11
    error = np.abs(restored(kind(), values).astype(np.float64) - values)
    assert np.all(error <= np.maximum(limit * np.abs(values), 2.0**-25))


@pytest.mark.parametrize("kind", [Int8, Int16], ids=lambda kind: kind.name)
@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("coded", [0, 1])
def test_integers_are_off_by_half_a_scale(kind: type[Integers], channel: int, coded: int) -> None:
    values = weights(600).reshape(20, 30)
    values[3] *= 100
    values[4] = 0
    out = restored(kind(channel=channel, coded=coded).shaped((20, 30)), values.reshape(-1)).reshape(20, 30)
    largest = np.abs(values).max(axis=1, keepdims=True) if channel else np.abs(values).max()
    scale = largest / ((1 << (kind.bits - 1)) - 1)
    assert np.all(np.abs(out - values) <= scale * 0.51)


def test_zfp_sees_a_matrix_only_where_no_side_would_be_padded() -> None:
    assert matrix((64, 32, 3, 3)) == (64, 288)
    assert matrix((1, 500)) == matrix((500, 3)) == matrix((7,)) == ()


def test_every_lossy_peer_names_its_package_and_is_not_lossless() -> None:
    lossy = [peer for peer in PEERS.values() if not peer.lossless]
    assert {peer.name for peer in lossy} >= {"sz3", "zfp", "quantized-pcodec", "uniform", "bitround", "int8"}
    assert all(peer.package for peer in lossy)
