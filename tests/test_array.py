"""`elf.encode` and `elf.decode`: any array in, the same array out, within what was asked."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import elf
from elf.payload import Payload
from tests.codecs.samples import same_bits, weights

W = weights("f32", 6000).reshape(60, 100)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["?", "i1", "u2", "i4", "i8", "f2", "f4", "f8", "c8", ">f4", ">i2"]).map(np.dtype),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    ),
    st.booleans(),
)
def test_lossless_gives_every_bit_back_in_c_order(array: NDArray[Any], backwards: bool) -> None:
    given_ = array.T if backwards else array
    expected = np.ascontiguousarray(given_.astype(given_.dtype.newbyteorder("<")).reshape(given_.shape))
    back = elf.decode(elf.encode(given_, lossless=True))
    assert same_bits(back, expected.reshape(given_.shape))


@pytest.mark.parametrize("view", [W.T, np.asfortranarray(W), W[::2, ::-3], W[None, :, 5], W[3, 3]])
def test_memory_order_does_not_matter(view: NDArray[np.float32]) -> None:
    data = elf.encode(view)
    assert data == elf.encode(np.ascontiguousarray(view).reshape(view.shape))
    assert np.abs(elf.decode(data) - view).max() <= 2.0**-24
    assert elf.decode(data).shape == view.shape


def test_floats_keep_their_own_bounds_and_16_bit_floats_every_bit() -> None:
    for array, bound in ((W, 2.0**-24), (weights("f64", 6000), 2.0**-53), (W.astype(np.float16), 0.0)):
        data = elf.encode(array)
        assert np.abs(elf.decode(data).astype(np.float64) - array).max() <= bound
        assert (Payload(data).head.codec.name == "elf") == (bound > 0)


@pytest.mark.parametrize("bound", [1e-3, elf.Bound("rms", 0.01), elf.Bound("max", 1e-4)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_bound_that_was_asked_for_is_kept(bound: float | elf.Bound, dtype: Any) -> None:
    array = W.astype(dtype)
    wide = array.astype(np.float64)
    scale = {"rms": np.sqrt(np.mean(wide**2)), "max": np.abs(wide).max()}
    allowed = bound.value * scale[bound.kind] if isinstance(bound, elf.Bound) else bound
    data = elf.encode(array, bound=bound)
    error = np.abs(elf.decode(data).astype(np.float64) - wide).max()
    assert allowed / 4 < error <= allowed
    assert len(data) < len(elf.encode(array, lossless=True))


@pytest.mark.parametrize("code", [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_types_that_numpy_lacks_come_back_as_integers(code: Any) -> None:
    array = W.astype(code)
    back = elf.decode(elf.encode(array))
    assert back.view(code).tobytes() == array.tobytes()
    assert back.shape == array.shape


def test_a_dtype_can_be_named_for_plain_integers() -> None:
    bits = W.astype(ml_dtypes.bfloat16).view(np.uint16)
    data = elf.encode(bits, dtype="bf16")
    assert Payload(data).head.dtype == "bf16"
    assert data == elf.encode(bits.view(ml_dtypes.bfloat16))
    assert len(data) < len(elf.encode(bits))


def test_a_relative_helps_and_is_then_needed() -> None:
    tuned = W * np.float32(1 + 2e-6)
    data = elf.encode(tuned, lossless=True, relative=W)
    assert len(data) < 0.6 * len(elf.encode(tuned, lossless=True))
    assert same_bits(elf.decode(data, relative=W), tuned)
    with pytest.raises(elf.ElfError, match="relative"):
        elf.decode(data)


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (np.array(["a"]), {}),
        (np.array([None]), {}),
        (np.zeros(2, np.longdouble), {}),
        (np.zeros(2, np.int32), {"bound": 0.1}),
        (np.zeros(2, np.float32), {"bound": -0.1}),
        (np.zeros(2, np.float32), {"bound": 0.1, "lossless": True}),
        (np.zeros(2, np.float32), {"dtype": "bf16"}),
        (np.zeros(2, np.float32), {"dtype": "x9"}),
        (np.zeros(2, np.uint8), {"dtype": "i4"}),
        (np.zeros(2, np.float32), {"relative": np.zeros(3, np.float32)}),
        (np.zeros(2, np.float32), {"relative": np.zeros(2, np.float64)}),
    ],
)
def test_what_cannot_be_coded_is_said_in_one_line(array: NDArray[Any], options: dict[str, Any]) -> None:
    with pytest.raises(elf.ElfError) as error:
        elf.encode(array, **options)
    assert "\n" not in str(error.value)


def test_importing_elf_does_not_load_numba() -> None:
    code = "import sys, elf, elf.kernels; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
