from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from elf.tensor import DTYPES, ROLES, Tensor


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_a_type_with_a_numpy_twin_has_its_width_and_is_little_endian(name: str) -> None:
    dtype = DTYPES[name]
    assert dtype.name == name
    if dtype.numpy is not None:
        assert (dtype.block, dtype.block_bytes) == (1, dtype.numpy.itemsize)
        assert dtype.numpy == dtype.numpy.newbyteorder("<")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("bf16", "bfloat16"), ("f8_e4m3", "float8_e4m3fn"), ("f8_e4m3fnuz", "float8_e4m3fnuz"),
        ("f8_e5m2", "float8_e5m2"), ("f8_e5m2fnuz", "float8_e5m2fnuz"), ("f8_e8m0", "float8_e8m0fnu"),
    ],
)  # fmt: skip
def test_floats_that_numpy_lacks_have_an_integer_of_their_width(ours: str, theirs: str) -> None:
    numpy = DTYPES[ours].numpy
    assert numpy is not None
    assert (numpy.kind, numpy.itemsize) == ("u", np.dtype(getattr(ml_dtypes, theirs)).itemsize)
    assert DTYPES[ours].is_float


def test_the_last_block_counts_whole() -> None:
    assert DTYPES["f32"].nbytes((3, 5)) == 60
    assert DTYPES["f32"].nbytes(()) == 4
    assert DTYPES["f32"].nbytes((0, 5)) == 0
    assert [DTYPES["i4"].nbytes((count,)) for count in (0, 1, 2, 3)] == [0, 1, 1, 2]
    assert [DTYPES["f6_e2m3"].nbytes((count,)) for count in (0, 1, 4, 5)] == [0, 3, 3, 6]
    assert [DTYPES["q4_0"].nbytes((count,)) for count in (0, 32, 64)] == [0, 18, 36]


def test_a_tensor_counts_its_elements() -> None:
    assert Tensor("w", "f32", (3, 4), 48, 48).n_params == 12
    assert Tensor("w", "f32", (), 4, 4).n_params == 1
    assert Tensor("w", "f32", (), 4, 4).role in ROLES
