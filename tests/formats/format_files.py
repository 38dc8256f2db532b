"""Writers of small model files, byte by byte, for the formats whose own library is not at hand."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# --- pickles ---------------------------------------------------------------------------------------------------------


@dataclass
class Name:
    """A class or function, written as a global."""

    module: str
    name: str


@dataclass
class Calls:
    """What __reduce__ gives: a callable, its arguments, and a state if any."""

    function: object
    args: tuple[object, ...]
    state: object = None


@dataclass
class Stored:
    """A persistent reference."""

    key: object


def pickled(value: object) -> bytes:
    """A pickle of protocol 2."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value: object) -> bytes:  # noqa: PLR0911 - one return for each kind
    match value:
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            digits = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
            return b"\x8a" + bytes([len(digits)]) + digits
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case tuple():
            return b"(" + b"".join(map(_opcodes, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_opcodes, value)) + b"e"
        case dict():
            return b"}(" + b"".join(_opcodes(key) + _opcodes(item) for key, item in value.items()) + b"u"
        case Name():
            return f"c{value.module}\n{value.name}\n".encode()
        case Calls():
            state = b"" if value.state is None else _opcodes(value.state) + b"b"
            return _opcodes(value.function) + _opcodes(value.args) + b"R" + state
        case Stored():
            return _opcodes(value.key) + b"Q"
    raise TypeError(type(value))


# --- PyTorch ---------------------------------------------------------------------------------------------------------

_STORAGES = {
    "f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "u1": "ByteStorage", "i1": "CharStorage",
    "i2": "ShortStorage", "i4": "IntStorage", "i8": "LongStorage", "b1": "BoolStorage", "c8": "ComplexFloatStorage",
}  # fmt: skip


@dataclass
class Torch:
    """A checkpoint in the making: storages, and tensors that are views of them."""

    storages: list[bytes] = field(default_factory=list)
    big_endian: bool = False

    def storage(self, array: NDArray[np.generic], kind: str | None = None) -> Stored:
        """Keep an array's bytes and give the reference to them."""
        swapped = array.astype(array.dtype.newbyteorder(">")) if self.big_endian else array
        self.storages.append(swapped.tobytes())
        name = kind or _STORAGES[array.dtype.str[1:]]
        return Stored(("storage", Name("torch", name), str(len(self.storages) - 1), "cpu", array.size))

    def tensor(self, array: NDArray[np.generic], kind: str | None = None) -> Calls:
        """A tensor of its own storage."""
        strides = [stride // array.itemsize for stride in np.empty(array.shape, array.dtype).strides]
        return view(self.storage(np.ascontiguousarray(array), kind), 0, array.shape, strides)

    def zip(self, root: object, *, name: str = "model", extra: dict[str, bytes] | None = None) -> bytes:
        """The archive that torch.save writes."""
        order = b"big" if self.big_endian else b"little"
        files = {"data.pkl": pickled(root), "byteorder": order} | (extra or {})
        files |= {f"data/{index}": storage for index, storage in enumerate(self.storages)}
        return zipped({f"{name}/{file}": content for file, content in files.items()})

    def legacy(self, root: object) -> bytes:
        """What torch.save wrote before 1.6."""
        head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}, root]
        pickles = [pickled(value) for value in [*head, [str(index) for index in range(len(self.storages))]]]
        return b"".join(pickles) + b"".join(self._counted())

    def _counted(self) -> list[bytes]:
        """Storages of f32, each behind its number of elements."""
        return [struct.pack("<q", len(storage) // 4) + storage for storage in self.storages]


def view(storage: object, offset: int, shape: Sequence[int], strides: Sequence[int]) -> Calls:
    """A tensor that is a view of a storage."""
    hooks = Calls(Name("collections", "OrderedDict"), ())
    args = (storage, offset, tuple(shape), tuple(strides), False, hooks)
    return Calls(Name("torch._utils", "_rebuild_tensor_v2"), args)


def parameter(tensor: object) -> Calls:
    """An nn.Parameter."""
    hooks = Calls(Name("collections", "OrderedDict"), ())
    return Calls(Name("torch._utils", "_rebuild_parameter"), (tensor, True, hooks))


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive with a fixed date."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


# --- GGUF ------------------------------------------------------------------------------------------------------------


def gguf_text(text: str) -> bytes:
    """A string behind its length."""
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_key(key: str, kind: int, value: bytes) -> bytes:
    """One entry of the metadata."""
    return gguf_text(key) + struct.pack("<I", kind) + value


def gguf_info(name: str, dims: Sequence[int], kind: int, offset: int) -> bytes:
    """What is told of one tensor."""
    return gguf_text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def gguf(
    infos: Sequence[bytes], data: bytes, *, keys: Sequence[bytes] = (), version: int = 3, align: int = 32
) -> bytes:
    """A whole file; `data` follows the infos at the alignment."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(infos), len(keys)) + b"".join(keys) + b"".join(infos)
    return head + bytes(-len(head) % align) + data


# --- FlatBuffers -----------------------------------------------------------------------------------------------------


@dataclass
class Table:
    """A table: what each slot holds, (struct code, number) or something that is pointed to."""

    slots: dict[int, object]


@dataclass
class Vector:
    """A vector of numbers of one struct code."""

    code: str
    values: Sequence[int | float]


def flatbuffer(root: Table, identifier: bytes = b"TFL3") -> bytes:
    """A flatbuffer, each table before what it points to."""
    out = bytearray(8)
    out[4:8] = identifier
    struct.pack_into("<I", out, 0, _emit(out, root))
    return bytes(out)


def _pad(out: bytearray, to: int = 8) -> int:
    out += bytes(-len(out) % to)
    return len(out)


def _emit(out: bytearray, value: object) -> int:
    """Append a value and give its position."""
    if isinstance(value, Table):
        return _emit_table(out, value)
    if isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        out += bytes((12 - len(out)) % 16)  # so that what follows the count starts at a multiple of 16
        at = len(out)
        out += struct.pack("<I", len(raw)) + raw + b"\0"
        return at
    if isinstance(value, Vector):
        _pad(out)
        out += bytes(4)  # so that elements of eight bytes are aligned
        at = len(out)
        out += struct.pack(f"<I{len(value.values)}{value.code}", len(value.values), *value.values)
        return at
    assert isinstance(value, list)
    at = _pad(out)
    out += struct.pack("<I", len(value)) + bytes(4 * len(value))
    shared: dict[int, int] = {}
    for index, item in enumerate(value):
        place = at + 4 + 4 * index
        if id(item) not in shared:
            shared[id(item)] = _emit(out, item)
        struct.pack_into("<I", out, place, shared[id(item)] - place)
    return at


def _emit_table(out: bytearray, table: Table) -> int:
    _pad(out)
    count = max(table.slots, default=-1) + 1
    layout = len(out)
    start = layout + -(-(4 + 2 * count) // 8) * 8
    offsets = {slot: 8 + 8 * index for index, slot in enumerate(sorted(table.slots))}
    size = 8 + 8 * len(offsets)
    vtable = struct.pack(f"<HH{count}H", 4 + 2 * count, size, *(offsets.get(slot, 0) for slot in range(count)))
    out += vtable + bytes(start - layout - len(vtable)) + struct.pack("<i", start - layout) + bytes(size - 4)
    for slot, value in sorted(table.slots.items()):
        if isinstance(value, tuple):
            struct.pack_into(f"<{value[0]}", out, start + offsets[slot], value[1])
        else:
            _point(out, start + offsets[slot], value)
    return start


def _point(out: bytearray, at: int, value: object) -> None:
    target = _emit(out, value)
    struct.pack_into("<I", out, at, target - at)


# --- TFLite ----------------------------------------------------------------------------------------------------------


def tflite_tensor(name: str, shape: Sequence[int], kind: int, buffer: int, **slots: Table) -> Table:
    """A tensor; `quantization` and `sparsity` are its further slots."""
    further: dict[int, object] = {{"quantization": 4, "sparsity": 6}[key]: value for key, value in slots.items()}
    return Table({0: Vector("i", shape), 1: ("b", kind), 2: ("I", buffer), 3: name} | further)


def tflite(
    tensors: list[Table], buffers: list[bytes], operators: Sequence[tuple[int, list[int], list[int]]] = ()
) -> bytes:
    """A model of one graph; an operator is its builtin code, inputs and outputs. Buffer 0 is empty, as always."""
    codes = sorted({code for code, _, _ in operators})
    runs = [
        Table({0: ("I", codes.index(code)), 1: Vector("i", inputs), 2: Vector("i", outputs)})
        for code, inputs, outputs in operators
    ]
    graph = Table({0: tensors, 3: runs})
    kept = [Table({}), *(Table({0: content}) for content in buffers)]
    return flatbuffer(Table({0: ("I", 3), 1: [Table({3: ("i", code)}) for code in codes], 2: [graph], 4: kept}))
