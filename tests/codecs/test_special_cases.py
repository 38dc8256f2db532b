"""The codecs for special content: each finds its own kind, says no to the others, and is small on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elf.codecs.constant import Constant
from elf.codecs.delta import Delta, Difference, Xor
from elf.codecs.narrow import Narrow
from elf.codecs.packed import Packed
from elf.codecs.pco import Pcodec
from elf.codecs.sparse import Sparse
from elf.codecs.split import Split
from elf.codecs.strip import Strip
from elf.codecs.table import Table
from elf.codecs.widths import narrow, widen
from elf.codecs.zstd import Zstd
from elf.errors import ElfError
from tests.codecs.samples import same_bits, weights

COUNT = 60_000
W = weights("f32", COUNT)


def size(data: bytes | None) -> float:
    """Bits a value."""
    assert data is not None
    return 8 * len(data) / COUNT


def test_constant_is_for_one_bit_pattern_only() -> None:
    values = np.zeros(COUNT, np.float32)
    assert Constant().encode(values, "f32") == bytes(4)
    values[7] = -0.0
    assert Constant().encode(values, "f32") is None


def test_sparse_costs_what_the_others_cost_and_a_mask() -> None:
    values = np.where(np.random.default_rng(0).random(COUNT) < 0.02, W, np.float32(0))
    assert size(Sparse().encode(values, "f32")) < 0.02 * 28 + 0.15
    assert Sparse().encode(W, "f32") is None


def test_sparse_finds_a_frequent_value_that_is_not_zero() -> None:
    values = np.where(np.random.default_rng(0).random(COUNT) < 0.3, W, np.float32(-7.5))
    assert size(Sparse().encode(values, "f32")) < 0.3 * 28 + 1.1


def test_table_costs_the_logarithm_of_the_distinct_values() -> None:
    few = np.random.default_rng(0).choice(W[:13], COUNT)
    assert size(Table().encode(few, "f32")) < 3.8
    many = np.random.default_rng(0).choice(W[:500], COUNT)
    assert size(Table().encode(many, "f32")) < 9.4
    assert Table().encode(W, "f32") is None


def test_a_place_beyond_the_table_is_refused() -> None:
    values = np.resize(W[:3], 100)
    data = bytearray(Table().encode(values, "f32") or b"")
    data[0] = 1
    with pytest.raises(ElfError, match="damaged"):
        Table().decode(memoryview(bytes(data)), np.empty_like(values), "f32")


@pytest.mark.parametrize(("dtype", "bits"), [("f16", 13.8), ("bf16", 10.9)])
@pytest.mark.parametrize("wide", ["f32", "f64"])
def test_narrow_costs_what_the_narrow_values_cost(dtype: str, bits: float, wide: str) -> None:
    values = narrow(widen(narrow(W, dtype), dtype), wide)
    assert size(Narrow().encode(values, wide)) < bits
    values[-1] *= 1 + 2**-20
    assert Narrow().encode(values, wide) is None


def test_f64_that_holds_f32_is_narrow() -> None:
    assert size(Narrow().encode(W.astype(np.float64), "f64")) < 27


def test_narrow_is_not_for_a_nan_that_would_lose_bits() -> None:
    values = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert Narrow().encode(values[:1], "f32") is not None
    assert Narrow().encode(values, "f32") is None


def test_strip_drops_the_zero_bits_of_floats_and_integers() -> None:
    stripped = (W.view(np.uint32) & np.uint32(0xFFFFFF80)).view(np.float32)
    assert size(Strip().encode(stripped, "f32")) < 27 - 7 + 0.1
    assert Strip().encode(W, "f32") is None
    pages = np.random.default_rng(0).integers(0, 1 << 20, COUNT) * 4096
    assert size(Strip().encode(pages, "i64")) < 20.2


def test_split_is_as_good_as_the_best_peer_on_weights() -> None:
    for dtype in ("f16", "bf16", "f32", "f64"):
        values = weights(dtype, COUNT)
        peer = Pcodec().encode(values, dtype)
        assert len(Split().encode(values, dtype)) < 1.002 * len(peer)


def test_small_integers_of_a_wide_type_take_few_bits() -> None:
    values = np.random.default_rng(0).integers(-20, 20, COUNT)
    assert size(Packed().encode(values, "i64")) < 5.6


@pytest.mark.parametrize("delta", [Xor(), Difference()])
def test_a_delta_to_a_near_relative_is_smaller_than_the_tensor_alone(delta: Delta) -> None:
    tuned = W * np.float32(1 + 2e-5)
    data = delta.against(W).encode(tuned, "f32")
    assert size(data) < 13
    out = np.empty_like(tuned)
    delta.against(W).decode(memoryview(data or b""), out, "f32")
    assert same_bits(out, tuned)


@pytest.mark.parametrize("delta", [Xor(), Difference()])
@pytest.mark.parametrize("relative", [None, W[:-1], W.astype(np.float64)])
def test_a_delta_asks_for_a_relative_that_fits(delta: Delta, relative: NDArray[Any] | None) -> None:
    codec = delta if relative is None else delta.against(relative)
    with pytest.raises(ElfError, match="relative"):
        codec.encode(W, "f32")


def test_the_level_of_zstd_is_kept_and_used() -> None:
    text = np.frombuffer(b"models are stored, models are shared, " * 3000, np.uint8)
    assert Zstd(19).params == {"level": 19}
    assert len(Zstd(19).encode(text, "u8")) <= len(Zstd(1).encode(text, "u8"))
