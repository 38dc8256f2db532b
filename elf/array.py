"""One array in, bytes out, and back: what `elf.encode` and `elf.decode` are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.bound import OWN_BOUND, Bound
from elf.choose import candidates, choose
from elf.codecs.base import Values
from elf.errors import ElfError
from elf.payload import Payload
from elf.tensor import DTYPES


def encode(
    array: NDArray[Any],
    *,
    bound: float | Bound | None = None,
    lossless: bool = False,
    dtype: str | None = None,
    relative: NDArray[Any] | None = None,
    threads: int = 1,
) -> bytes:
    """Code an array of any shape and memory order into the fewest bytes that a codec of the library gives.

    Without `bound`, f32 is kept within 2^-24 and f64 within 2^-53 of every value, and everything else exactly. `bound`
    is an absolute error or a `Bound`; a power-of-two step that keeps it is used. NaN, infinities, signs and shape are
    always kept. `lossless` keeps every bit. `dtype` names an element type that NumPy lacks: "bf16" for uint16 or an
    ml_dtypes array, "f8_e4m3" for uint8. `relative`, an array of the same dtype and size, may then be needed to decode.
    The bytes depend on the values, dtype, shape and arguments only, and not on `threads`.

    Raises ElfError for a dtype that cannot be coded, a bound on something that is no float, and `lossless` with a
    bound.
    """
    name = dtype or _dtype_of(array)
    values = _flat(array, name)
    if lossless and bound is not None:
        raise ElfError("lossless and a bound exclude each other: leave one out")
    kept = None if lossless else OWN_BOUND.get(name) if bound is None else _bound(bound, name)
    near = None if relative is None else _flat(relative, name)
    if near is not None and near.size != values.size:
        raise ElfError(f"the relative has {near.size} values and the array {values.size}")
    return choose(values, name, array.shape, candidates(values, name, kept, near), threads=threads)


def decode(data: bytes | memoryview, *, relative: NDArray[Any] | None = None, threads: int = 1) -> NDArray[Any]:
    """The array that `encode` coded: its shape, in C order and little-endian; bf16 and fp8 as integers of their width.

    Raises ElfError when `data` is damaged, or coded against another relative than the one given.
    """
    payload = Payload(data)
    near = None if relative is None else _flat(relative, payload.head.dtype)
    values = payload.decode(relative=near, threads=threads)
    return values.reshape(payload.head.shape) if payload.head.coded == payload.head.dtype else values


def _bound(bound: float | Bound, dtype: str) -> Bound:
    if dtype not in ("f16", "bf16", "f32", "f64"):
        raise ElfError(f"a bound is for floats; {dtype} is kept exactly: leave it out")
    return bound if isinstance(bound, Bound) else Bound("absolute", bound)


_NAMES = {dtype.numpy: name for name, dtype in DTYPES.items() if not name.startswith(("f8_", "bf"))}
_ML_DTYPES = {
    "bfloat16": "bf16", "float8_e4m3fn": "f8_e4m3", "float8_e4m3fnuz": "f8_e4m3fnuz", "float8_e5m2": "f8_e5m2",
    "float8_e5m2fnuz": "f8_e5m2fnuz", "float8_e8m0fnu": "f8_e8m0",
}  # fmt: skip


def _dtype_of(array: NDArray[Any]) -> str:
    name = _ML_DTYPES.get(array.dtype.name) or _NAMES.get(array.dtype.newbyteorder("<"))
    if name is None:
        raise ElfError(f"arrays of {array.dtype} cannot be coded: convert them to a number type of fixed width")
    return name


def _flat(array: NDArray[Any], name: str) -> Values:
    """The elements in C order as a 1-D contiguous array of the type of `name`; no copy where they lie so."""
    numpy = DTYPES[name].numpy if name in DTYPES else None
    if numpy is None:
        raise ElfError(f"dtype {name!r} cannot be coded from an array")
    if array.dtype.itemsize != numpy.itemsize:
        raise ElfError(f"an array of {array.dtype} cannot hold {name}")
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype.byteorder == ">" or (flat.dtype.byteorder == "=" and not np.little_endian):
        flat = flat.byteswap().view(flat.dtype.newbyteorder("<"))
    return flat.view(numpy)
