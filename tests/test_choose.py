"""The choice for one tensor: by final bytes, and close to trying everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elf import payload
from elf.bound import OWN_BOUND
from elf.choose import candidates, choose
from elf.codecs.widths import narrow, widen
from elf.payload import Payload
from elf.tensor import DTYPES
from tests.codecs.samples import arrays, same_bits, weights

RNG = np.random.default_rng(0)
W = weights("f32", 40_000)
KINDS: dict[str, NDArray[Any]] = {
    "constant": np.full(40_000, 1.5, np.float32),
    "sparse": np.where(np.arange(40_000) % 5_000 == 77, W, np.float32(0)),
    "table": RNG.choice(W[:100], 40_000),
    "narrow": widen(narrow(W, "f16"), "f16"),
    "strip": (W.view(np.uint32) & np.uint32(0xFFFFFF00)).view(np.float32),
    "split": W,
    "stored": RNG.integers(0, 1 << 32, 40_000, np.uint32).view(np.float32),
}


def codec_of(data: bytes) -> str:
    return Payload(data).head.codec.name


@pytest.mark.parametrize("name", KINDS)
def test_each_content_gets_the_codec_that_is_made_for_it(name: str) -> None:
    values = KINDS[name]
    data = choose(values, "f32", values.shape, candidates(values, "f32"))
    assert codec_of(data) == name
    assert same_bits(Payload(data).decode(), values)


def test_weights_take_elf_when_a_bound_is_given_and_no_codec_that_loses_when_not() -> None:
    assert codec_of(choose(W, "f32", W.shape, candidates(W, "f32", OWN_BOUND["f32"]))) == "elf"
    assert all(codec.lossless for codec in candidates(W, "f32"))


def test_lossless_wins_where_it_is_smaller_than_elf() -> None:
    values = KINDS["narrow"]
    assert codec_of(choose(values, "f32", values.shape, candidates(values, "f32", OWN_BOUND["f32"]))) == "narrow"


def test_a_near_relative_wins() -> None:
    tuned = W * np.float32(1 + 2e-6)
    data = choose(tuned, "f32", tuned.shape, candidates(tuned, "f32", relative=W))
    assert codec_of(data) in ("xor", "difference")
    assert same_bits(Payload(data).decode(relative=W), tuned)


@pytest.mark.parametrize("dtype", [name for name in DTYPES if DTYPES[name].numpy is not None])
def test_the_choice_is_never_worse_than_the_best_by_more_than_the_names_length(dtype: str) -> None:
    for values in arrays(dtype):
        codecs = [codec for codec in candidates(values, dtype, OWN_BOUND.get(dtype)) if codec.applies(dtype)]
        sizes = [len(data) for codec in codecs if (data := payload.encode(values, dtype, values.shape, codec))]
        assert len(choose(values, dtype, values.shape, codecs)) <= min(sizes) + 10


@pytest.mark.parametrize("name", KINDS)
def test_a_choice_from_a_sample_costs_little(name: str) -> None:
    values = KINDS[name]
    codecs = candidates(values, "f32", OWN_BOUND["f32"])
    sizes = [len(data) for codec in codecs if (data := payload.encode(values, "f32", values.shape, codec))]
    assert len(choose(values, "f32", values.shape, codecs)) <= 1.002 * min(sizes) + 32


def test_equal_tensors_give_equal_bytes_with_any_number_of_threads() -> None:
    values = weights("f32", 600_000)
    codecs = candidates(values, "f32", OWN_BOUND["f32"])
    assert len({choose(values.copy(), "f32", values.shape, codecs, threads=threads) for threads in (1, 2, 3)}) == 1


def test_empty_tensors_are_coded() -> None:
    data = choose(np.empty(0, np.float32), "f32", (0, 3), candidates(np.empty(0, np.float32), "f32"))
    assert Payload(data).head.shape == (0, 3)


@pytest.mark.parametrize("dtype", [name for name in DTYPES if DTYPES[name].numpy is not None])
def test_a_sample_that_promises_too_much_is_not_the_end(dtype: str) -> None:
    """Constant wherever the sample looks, and noise between."""
    numpy = DTYPES[dtype].numpy
    assert numpy is not None
    raw = np.full((60_000, numpy.itemsize), 1, np.uint8)
    raw[5_000:9_000] = np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 256, (4_000, numpy.itemsize))
    values = raw.reshape(-1).view(numpy)
    data = choose(values, dtype, values.shape, candidates(values, dtype))
    assert same_bits(Payload(data).decode(), values)
