"""Twins: tensors that hold the same values in another order of the axes, another shape or another float type.

They are found by a hash of the multiset of their bit patterns (elf.kernels.multiset), of the narrowest float types that
hold all values exactly, and then compared value by value. LSTM weights, whose gates PyTorch, Keras and ONNX put in
different orders, are tried with 3 and 4 blocks of their first or last axis in every order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from analysis.measure import Emit
from elf.formats.base import ModelFile
from elf.kernels.multiset import multiset_hash
from elf.tensor import DTYPES, Tensor

LEAST = 16
"""Elements below which a tensor is not looked at: small ones are equal by chance, and cost as much to name."""
AXES = 5
"""Axes of more than one element beyond which no order of axes is tried."""
PROBE = 256
"""Elements that must agree before all are compared."""
LARGE = 1 << 23
PIECE = 1 << 20
"""Elements that are cast at a time."""

NARROWER = {"f32": ("f16", "bf16"), "f64": ("f32", "f16", "bf16")}

KEYS = pa.schema([("index", pa.int64()), ("held_by", pa.string()), ("n", pa.int64()), ("hash", pa.uint64())])
TWINS = pa.schema(
    [
        *((f"{name}_{side}", pa.string()) for side in "ab" for name in ("layer", "dtype", "shape", "content")),
        *((f"bytes_{side}", pa.int64()) for side in "ab"),
        ("kind", pa.string()),
        ("how", pa.string()),
    ]
)

Array = NDArray[Any]
Key = tuple[str, int, int]


def emit_keys(model: ModelFile, emit: Emit) -> None:
    """Emit `keys`: of each layer with bytes of its own the multiset hash of its values in each type that holds them."""
    rows = []
    for index, tensor in _eligible(model.tensors):
        for held_by, n, value in keys(model.bytes(tensor), tensor.dtype):
            rows.append({"index": index, "held_by": held_by, "n": n, "hash": value})
        _release(model, tensor)
    emit("keys", pa.Table.from_pylist(rows, schema=KEYS))


def keys(data: NDArray[np.uint8], dtype: str) -> Iterator[Key]:
    """(type, elements, multiset hash) of a tensor's values in its own type and in the narrower ones that hold them."""
    numpy = DTYPES[dtype].numpy
    if numpy is None or numpy.kind == "c" or data.size < LEAST * numpy.itemsize:
        return
    values = data.view(numpy)
    yield dtype, values.size, multiset_hash(_bits(values))
    for narrow in NARROWER.get(dtype, ()):
        if _holds(values, narrow):
            pieces = (_bits(_cast(piece, narrow)) for piece in _pieces(values))
            yield narrow, values.size, sum(map(multiset_hash, pieces)) % 2**64


def narrowed(values: Array, dtype: str) -> Array | None:
    """f32 or f64 values as bit patterns of f16, bf16 or f32; None unless every bit comes back, NaN payloads too."""
    return _bits(_cast(values, dtype)) if _holds(values, dtype) else None


def _holds(values: Array, dtype: str) -> bool:
    return _held(values[:PROBE], dtype) and all(_held(piece, dtype) for piece in _pieces(values))


def _pieces(values: Array) -> Iterator[Array]:
    return (values[start : start + PIECE] for start in range(0, values.size, PIECE))


def _held(values: Array, dtype: str) -> bool:
    return np.array_equal(_bits(_widened(_cast(values, dtype), dtype, values.dtype)), _bits(values))


def _cast(values: Array, dtype: str) -> Array:
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if dtype == "bf16":
            high = _bits(np.ascontiguousarray(values.astype("<f4"))) >> np.uint32(16)
            return np.asarray(high, "<u2")
        return values.astype(DTYPES[dtype].numpy)


def _widened(values: Array, dtype: str, wide: np.dtype[Any]) -> Array:
    with np.errstate(invalid="ignore"):
        if dtype == "bf16":
            return (values.astype("<u4") << np.uint32(16)).view("<f4").astype(wide)
        return values.astype(wide)


def _bits(values: Array) -> Array:
    return values.view(f"<u{values.dtype.itemsize}")


def _eligible(tensors: Sequence[Tensor]) -> Iterator[tuple[int, Tensor]]:
    for index, tensor in enumerate(tensors):
        if tensor.alias_of is None and tensor.nbytes:
            yield index, tensor


def _release(model: ModelFile, tensor: Tensor) -> None:
    if tensor.nbytes > LARGE:
        model.release()


@dataclass(frozen=True)
class _Known:
    """A tensor of one of the files, with its content hash and its keys."""

    model: ModelFile
    tensor: Tensor
    content: str
    keys: tuple[Key, ...]

    def values(self, dtype: str) -> Array:
        """Bit patterns in a type that holds the values exactly, in the tensor's shape."""
        numpy = DTYPES[self.tensor.dtype].numpy
        assert numpy is not None  # it has keys
        own = self.model.bytes(self.tensor).view(numpy)
        held = _bits(own) if dtype == self.tensor.dtype else narrowed(own, dtype)
        assert held is not None  # its keys say so
        return held.reshape(self.tensor.shape)


def find_twins(files: Sequence[ModelFile], emit: Emit) -> None:
    """Emit `twins`: each tensor of the last file with the first one in the first file that has a key of it in common.

    With one file, both are of this file. Only pairs that differ in content, or in dtype or shape, are looked at.
    """
    known = [_known(model) for model in files]
    first: dict[Key, _Known] = {}
    for base in known[0]:
        for key in base.keys:
            first.setdefault(key, base)
    rows, seen = [], set()
    for target in known[-1]:
        for key in target.keys:
            found = first.get(key)
            if found is None or not _differ(found, target) or _pair(found, target) in seen:
                continue
            seen.add(_pair(found, target))
            rows.append(_row(found, target, key[0]))
            for one in (found, target):
                _release(one.model, one.tensor)
    emit("twins", pa.Table.from_pylist(rows, schema=TWINS))


def _known(model: ModelFile) -> list[_Known]:
    found = []
    for _, tensor in _eligible(model.tensors):
        data = model.bytes(tensor)
        if made := tuple(keys(data, tensor.dtype)):
            found.append(_Known(model, tensor, xxhash.xxh3_128_hexdigest(data.data), made))
        _release(model, tensor)
    return found


def _differ(base: _Known, target: _Known) -> bool:
    one, two = base.tensor, target.tensor
    return (base.content, one.dtype, one.shape) != (target.content, two.dtype, two.shape)


def _pair(base: _Known, target: _Known) -> tuple[object, ...]:
    return base.content, base.tensor.shape, target.content, target.tensor.shape, target.tensor.dtype


def _row(base: _Known, target: _Known, held_by: str) -> dict[str, object]:
    how = relation(base.values(held_by), target.values(held_by))
    kind = how.partition(" ")[0] if how else "reordered"
    if base.tensor.dtype != target.tensor.dtype:
        kind = "cast" if kind == "same" else f"cast and {kind}"
    elif kind == "same":
        kind = "reshape"
    row: dict[str, object] = {"kind": kind, "how": how.partition(" ")[2] if how else ""}
    for side, one in (("a", base), ("b", target)):
        row |= {
            f"layer_{side}": one.tensor.name,
            f"dtype_{side}": one.tensor.dtype,
            f"shape_{side}": "x".join(map(str, one.tensor.shape)),
            f"content_{side}": one.content,
            f"bytes_{side}": one.tensor.nbytes,
        }
    return row


def relation(a: Array, b: Array) -> str:
    """How the values of `a` become those of `b`, in C order: `same`, `transposition AXES`, `gates ORDER`, or nothing.

    AXES are those of `a` without its axes of one element, or, behind `of b`, those of `b` that give `a`.
    """
    if _equal(a, b):
        return "same"
    for one, other, says in ((a, b, ""), (b, a, "of b ")):
        squeezed = one.squeeze()
        for axes in permutations(range(squeezed.ndim)) if 2 <= squeezed.ndim <= AXES else ():
            if _equal(squeezed.transpose(axes), other):
                return f"transposition {says}{''.join(map(str, axes))}"
    return next((f"gates {how}" for how, turned in _gates(a.squeeze()) if _equal(turned, b)), "")


def _gates(values: Array) -> Iterator[tuple[str, Array]]:
    """Every order of 3 and 4 equal blocks along the first and the last axis."""
    for axis in dict.fromkeys((0, values.ndim - 1)) if values.ndim else ():
        for count in (3, 4):
            if values.shape[axis] % count == 0:
                blocks = np.split(values, count, axis)
                for order in permutations(range(count)):
                    joined = np.concatenate([blocks[place] for place in order], axis)
                    yield f"{''.join(map(str, order))} on axis {axis}", joined


def _equal(a: Array, b: Array) -> bool:
    """Whether both have the same elements in C order, whatever the shapes."""
    return bool((a.flat[:PROBE] == b.flat[:PROBE]).all()) and np.array_equal(a.reshape(-1), b.reshape(-1))
