"""Tensors and arrays in an unpickled object, rebuilt from the calls that PyTorch and NumPy would have made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from elf.errors import ElfError
from elf.formats.base import Bytes
from elf.formats.found import MAX_DIMS, MAX_TENSORS, Found, clipped, quoted
from elf.formats.numpy import array_decoder, array_dtype, fortran_axes
from elf.formats.pickles import Blob, Call, Global, Pairs, Persistent, named
from elf.tensor import DTYPES

MAX_DEPTH = 500  # of containers within containers
MAX_WRAPS = 16

STORAGES = {
    "FloatStorage": "f32", "DoubleStorage": "f64", "HalfStorage": "f16", "BFloat16Storage": "bf16",
    "ByteStorage": "u8", "CharStorage": "i8", "ShortStorage": "i16", "IntStorage": "i32", "LongStorage": "i64",
    "BoolStorage": "bool", "ComplexFloatStorage": "c64", "ComplexDoubleStorage": "c128", "QInt8Storage": "i8",
    "QUInt8Storage": "u8", "QInt32Storage": "i32", "UntypedStorage": "u8",
}  # fmt: skip
"""Element type by the name of PyTorch's storage class."""

_DTYPES = {
    "float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16", "uint8": "u8", "int8": "i8",
    "uint16": "u16", "int16": "i16", "uint32": "u32", "int32": "i32", "uint64": "u64", "int64": "i64",
    "bool": "bool", "complex64": "c64", "complex128": "c128", "float8_e4m3fn": "f8_e4m3",
    "float8_e4m3fnuz": "f8_e4m3fnuz", "float8_e5m2": "f8_e5m2", "float8_e5m2fnuz": "f8_e5m2fnuz",
    "float8_e8m0fnu": "f8_e8m0", "float4_e2m1fn_x2": "u8",
}  # fmt: skip
_TENSOR, _TYPED, _QUANTISED = "_rebuild_tensor", "_rebuild_tensor_v3", "_rebuild_qtensor"
_TENSORS = {_TENSOR, "_rebuild_tensor_v2", _TYPED, _QUANTISED}
# What an nn.Module keeps its tensors and its parts in: no word of their names.
_OF_MODULE = {"_parameters", "_buffers", "_modules"}


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes that tensors are views of: `load` gives all of them, `start` and `length` say where they are stored."""

    dtype: str
    start: int
    length: int
    load: Callable[[], Bytes]
    plain: bool = True
    big_endian: bool = False


Resolve = Callable[[Persistent], Storage]


def tensors_in(root: object, resolve: Resolve, data: Bytes, prefix: str = "") -> list[Found]:
    """All tensors and arrays that can be reached from `root`, named by their path, in no particular order.

    `resolve` finds the storage of a persistent reference; `data` is what the pickle's literals lie in. A container
    that is reached twice is searched once, so cycles end.
    """
    found: list[Found] = []
    seen: set[int] = set()
    pending: list[tuple[int, str, object]] = [(0, prefix, root)]
    while pending:
        depth, name, value = pending.pop()
        if depth > MAX_DEPTH:
            raise ElfError(f"objects lie within objects more than {MAX_DEPTH} deep")
        if isinstance(value, Call):
            items = _of_call(name, value, resolve, data)
            found += items
            if items:
                continue
        if isinstance(value, Call | Pairs | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            pending += reversed([(depth + 1, *child) for child in _children(name, value)])
        if len(found) > MAX_TENSORS:
            raise ElfError(f"there are more than {MAX_TENSORS} tensors in it")
    return found


def _children(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Pairs):
        for key, child in named(value).items():
            yield _join(name, key), child
    elif isinstance(value, Call):
        yield name, value.args
        yield name, value.state
        yield name, value.pairs
        yield name, value.values
    elif isinstance(value, list | tuple):
        for position, child in enumerate(value):
            yield _join(name, str(position)), child


def _join(name: str, key: str) -> str:
    if key in _OF_MODULE:
        return name
    return clipped(f"{name}.{key}" if name else key)


def _of_call(name: str, call: Call, resolve: Resolve, data: Bytes) -> list[Found]:
    """The tensors that a call makes; none if it is not one of those that make any."""
    call = _unwrapped(call)
    if not isinstance(call.function, Global):
        return []
    maker = call.function.name
    if maker in _TENSORS and call.function.module.startswith("torch"):
        found = [_tensor(name, maker, _arguments(call, 4), resolve)]
        return found + _quantiser(name, call, resolve) if maker == _QUANTISED else found
    array = _array(name, call.function, call, data)
    return [] if array is None else [array]


def _unwrapped(call: Call) -> Call:
    """The tensor that a parameter or a tensor of a subclass is made from."""
    for _ in range(MAX_WRAPS):
        maker = call.function.name if isinstance(call.function, Global) else ""
        if maker == "_rebuild_from_type_v2":
            function, _, args, *_ = _arguments(call, 3)
            call = Call(function, args)
            continue
        inner = _arguments(call, 1)[0] if maker.startswith("_rebuild_parameter") else None
        if not isinstance(inner, Call):
            return call
        call = inner
    raise ElfError(f"a tensor is wrapped more than {MAX_WRAPS} times")


def _arguments(call: Call, least: int) -> tuple[object, ...]:
    if not isinstance(call.args, tuple) or len(call.args) < least:
        raise ElfError(f"a pickled call lacks some of its {least} arguments")
    return call.args


def _quantiser(name: str, call: Call, resolve: Resolve) -> list[Found]:
    """The scales and zero points of a tensor that is quantised by channel."""
    _, _, _, _, parameters, *_ = _arguments(call, 5)
    found = []
    for position, part in enumerate(parameters if isinstance(parameters, tuple) else ()):
        maker = part.function.name if isinstance(part, Call) and isinstance(part.function, Global) else ""
        if maker in _TENSORS and isinstance(part, Call):
            found.append(_tensor(clipped(f"{name}.quantizer.{position}"), maker, _arguments(part, 4), resolve))
            found[-1].role = "scale"
    return found


def _tensor(name: str, maker: str, args: tuple[object, ...], resolve: Resolve) -> Found:
    storage, offset, shape, strides, *rest = args
    if not isinstance(storage, Persistent):
        raise ElfError(f"tensor {quoted(name)} has no storage")
    kept = resolve(storage)
    dtype = _typed(name, rest) if maker == _TYPED else kept.dtype
    return _view(name, dtype, kept, _count(name, offset), (_counts(name, shape), _counts(name, strides)))


def _typed(name: str, rest: list[object]) -> str:
    dtype = rest[2] if len(rest) > 2 else None
    if not isinstance(dtype, Global) or dtype.name not in _DTYPES:
        raise ElfError(f"tensor {quoted(name)} has an unknown dtype")
    return _DTYPES[dtype.name]


def _count(name: str, value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ElfError(f"tensor {quoted(name)} has an impossible offset, size or stride")
    return value


def _counts(name: str, values: object) -> tuple[int, ...]:
    if isinstance(values, Call):  # torch.Size
        values = _arguments(values, 1)[0]
    if not isinstance(values, list | tuple) or len(values) > MAX_DIMS:
        raise ElfError(f"tensor {quoted(name)} has an impossible offset, size or stride")
    return tuple(_count(name, value) for value in values)


def _view(name: str, dtype: str, storage: Storage, offset: int, extent: tuple[tuple[int, ...], ...]) -> Found:
    """A tensor in a storage; `extent` is its shape and its strides, which like `offset` count elements."""
    shape, strides = extent
    numpy = DTYPES[dtype].numpy
    if numpy is None or len(shape) != len(strides):
        raise ElfError(f"tensor {quoted(name)} has {len(shape)} sizes and {len(strides)} strides")
    reach = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1 if prod(shape) else 0
    first, length = offset * numpy.itemsize, reach * numpy.itemsize
    if length and first + length > storage.length and storage.plain:
        raise ElfError(f"tensor {quoted(name)} reaches byte {first + length} of a storage of {storage.length}")
    swap = storage.big_endian and numpy.itemsize > 1
    if not length:
        return Found(name, dtype, shape, storage.start, 0)
    if storage.plain and not swap and _contiguous(shape, strides):
        return Found(name, dtype, shape, storage.start + first, length)

    def decode() -> Bytes:
        raw = storage.load()[first : first + length]
        if raw.size != length:
            raise ElfError(f"the storage of tensor {quoted(name)} ends early")
        typed = np.frombuffer(raw, numpy.newbyteorder(">") if swap else numpy)
        steps = [stride * numpy.itemsize for stride in strides]
        array = np.lib.stride_tricks.as_strided(typed, shape, steps, writeable=False)
        return np.ascontiguousarray(array, numpy).reshape(-1).view(np.uint8)

    if storage.plain:
        axes = None if swap else _dense_axes(shape, strides)
        return Found(name, dtype, shape, storage.start + first, length, decode=decode, axes=axes)
    return Found(name, dtype, shape, storage.start, storage.length, decode=decode)


def _contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _dense_axes(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    """The axes from the widest stride to the narrowest, if in this order the elements lie side by side."""
    axes = tuple(sorted(range(len(shape)), key=lambda axis: -strides[axis]))
    dense = _contiguous(tuple(shape[axis] for axis in axes), tuple(strides[axis] for axis in axes))
    return axes if dense else None


def _array(name: str, function: Global, call: Call, data: Bytes) -> Found | None:
    """A NumPy array or scalar; None for other calls, and for arrays of objects or text."""
    if not function.module.startswith("numpy"):
        return None
    fortran = False
    if function.name == "_reconstruct" and isinstance(call.state, tuple) and len(call.state) == 5:
        _, shape, dtype, fortran, content = call.state
    elif function.name == "scalar":
        (dtype, content, *_), shape = _arguments(call, 2), ()
    elif function.name == "_frombuffer":
        content, dtype, shape, layout, *_ = _arguments(call, 4)
        fortran = layout == "F"
    else:
        return None
    kind = _array_kind(dtype)
    if kind is None:
        return None
    loaded = _content(content, data)
    if loaded is None:
        return None
    raw, start = loaded
    sizes = _counts(name, shape)
    decode = array_decoder(*kind, sizes, fortran=bool(fortran), load=lambda: raw)
    if start is None:
        return Found(name, kind[1], sizes, None, raw.size, decode=decode or raw.copy)
    axes = fortran_axes(*kind, sizes) if fortran else None
    return Found(name, kind[1], sizes, start, raw.size, decode=decode, axes=axes)


def _array_kind(dtype: object) -> tuple[str, str] | None:
    """Byte order and element type of a pickled numpy.dtype."""
    if not isinstance(dtype, Call) or not isinstance(dtype.args, tuple) or not dtype.args:
        return None
    code, state = dtype.args[0], dtype.state
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
    return array_dtype(order + code) if isinstance(order, str) and isinstance(code, str) else None


def _content(content: object, data: Bytes) -> tuple[Bytes, int | None] | None:
    """An array's elements, and where they lie if they are stored as they are; None if they are pickled objects."""
    if isinstance(content, Call) and isinstance(content.args, tuple) and content.args:
        content = content.args[0]  # of _codecs.encode(text, "latin1"), or bytearray(bytes)
    if isinstance(content, Blob):
        return data[content.start : content.start + content.length], content.start
    if isinstance(content, str):
        return np.frombuffer(content.encode("latin-1"), np.uint8), None
    return None
