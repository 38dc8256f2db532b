"""Arrays of every dtype and kind, small, from a fixed seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from elf.codecs import CODECS
from elf.codecs.base import Codec
from elf.codecs.delta import Delta
from elf.codecs.widths import narrow
from elf.tensor import DTYPES

NAMES = [name for name, dtype in DTYPES.items() if dtype.numpy is not None]
FLOATS = ["f16", "bf16", "f32", "f64"]
WIDTH = {"f16": (5, 10), "bf16": (8, 7), "f32": (8, 23), "f64": (11, 52)}


def weights(dtype: str, count: int, scale: float = 0.05) -> NDArray[Any]:
    """Normal values as `dtype` stores them; integers where it is no float."""
    numbers = np.random.default_rng(count).standard_normal(count) * scale
    if dtype in FLOATS:
        return narrow(numbers if dtype == "f64" else numbers.astype(np.float32), dtype)
    if dtype.startswith("c"):
        return (numbers + 1j * numbers[::-1]).astype(DTYPES[dtype].numpy)
    return (numbers * 1000).astype(np.int64).astype(DTYPES[dtype].numpy)


def special(dtype: str) -> NDArray[Any]:
    """Patterns that break careless code: zeros, subnormals, limits, infinities, NaN with payloads, of both signs."""
    numpy = DTYPES[dtype].numpy
    assert numpy is not None
    if dtype not in FLOATS:
        kind = np.dtype(f"u{numpy.itemsize}") if numpy.itemsize <= 8 else np.dtype(np.uint64)
        top = (1 << (8 * kind.itemsize)) - 1
        return np.array([0, 1, 2, top, top - 1, top // 2, top // 2 + 1] * 2, f"<{kind.str[1:]}").view(numpy)
    exponent, mantissa = WIDTH[dtype]
    infinity = ((1 << exponent) - 1) << mantissa
    one = ((1 << (exponent - 1)) - 1) << mantissa
    patterns = [0, 1, 2, (1 << mantissa) - 1, 1 << mantissa, one - 1, one, one + 1, infinity - 1, infinity,
                infinity + 1, infinity | 1 << (mantissa - 1), infinity | ((1 << mantissa) - 1)]  # fmt: skip
    sign = 1 << (exponent + mantissa)
    return np.array([*patterns, *(pattern | sign for pattern in patterns)], f"<u{numpy.itemsize}").view(numpy)


def arrays(dtype: str) -> Iterator[NDArray[Any]]:
    """One array for each kind of content that some codec is made for."""
    base = weights(dtype, 300)
    yield base
    yield special(dtype)
    yield np.resize(base[:1], 100)
    yield np.resize(base[:5], 600)
    sparse = np.zeros(400, base.dtype)
    sparse[::17] = base[: sparse[::17].size]
    yield sparse
    bits = base.copy().view(f"u{base.itemsize}") if base.itemsize <= 8 else base.copy().view(np.uint64)
    bits &= bits.dtype.type((1 << (8 * bits.itemsize)) - (1 << max(1, 5 * bits.itemsize - 1)))
    yield bits.view(base.dtype)


def bit_patterns(dtype: str, most: int = 64) -> st.SearchStrategy[NDArray[Any]]:
    """Any bits as values of `dtype`, runs of equal values included."""
    numpy = DTYPES[dtype].numpy
    assert numpy is not None
    size = numpy.itemsize
    item = st.binary(min_size=size, max_size=size) | st.sampled_from([v.tobytes() for v in special(dtype)])
    runs = st.lists(st.tuples(item, st.integers(1, 4)), min_size=1, max_size=most)
    return runs.map(lambda parts: np.frombuffer(b"".join(raw * count for raw, count in parts), numpy))


def instance(name: str, values: NDArray[Any]) -> Codec:
    """The codec with its default parameters; a delta with the values backwards as relative."""
    codec = CODECS[name]()
    return codec.against(np.ascontiguousarray(values[::-1])) if isinstance(codec, Delta) else codec


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two arrays hold the same bytes in the same type and shape."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
