"""Large tensors are coded in pieces, to the same bytes, and without holding on to the file."""

from __future__ import annotations

import numpy as np
import pytest

from elf.bound import OWN_BOUND
from elf.choose import candidates, choose
from elf.codecs.base import Values
from elf.coding import STRIDE, Passing, passing, pieces, typed

RNG = np.random.default_rng(3)
WEIGHT = (RNG.standard_normal(70_000) * 0.05).astype("<f4")
MIDDLE = np.where(np.arange(70_000) // 5000 == 3, WEIGHT, np.float32(1))
KINDS: dict[str, Values] = {
    "weights": WEIGHT,
    "narrow": WEIGHT.astype("<f2").astype("<f4"),
    "constant": np.ones(70_000, "<f4"),
    "constant but for a part that no sample sees": MIDDLE,
    "sparse": np.where(RNG.random(70_000) < 0.01, WEIGHT, np.float32(0)),
    "few values": RNG.choice(WEIGHT[:50], 70_000),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_pieces_are_the_bytes_of_the_choice(kind: str, bounded: bool, threads: int) -> None:
    values = KINDS[kind]
    codecs = candidates(values, "f32", OWN_BOUND["f32"] if bounded else None)
    expected = choose(values, "f32", values.shape, codecs)
    assert b"".join(pieces(values, "f32", values.shape, codecs, threads=threads, large=1)) == expected
    assert list(pieces(values, "f32", values.shape, codecs)) == [expected]


def test_values_are_typed_by_their_dtype_and_bytes_where_it_has_no_type() -> None:
    data = np.arange(16, dtype=np.uint8)
    assert typed(data, "f32").dtype == np.dtype("<f4")
    assert typed(data, "bf16").dtype == np.dtype("<u2")
    assert typed(data, "q8_0") is data


def test_a_large_tensor_gives_memory_back_while_it_is_read() -> None:
    values = np.zeros((3 * STRIDE) // 4, "<f4")
    released: list[int] = []
    large = passing(values, lambda: released.append(1))
    assert isinstance(large, Passing)
    step = STRIDE // 16
    for start in range(0, large.size, step):
        part = large[start : start + step]
        assert type(part) is np.ndarray
        assert part.base is not None
    assert len(released) == 2
    assert passing(values[:10], released.clear) is not None
    assert not isinstance(passing(values[:10], released.clear), Passing)
