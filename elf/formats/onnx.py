"""ONNX: the tensors of a protobuf graph and of its data files (onnx.proto of github.com/onnx/onnx)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from elf.errors import ElfError
from elf.formats.base import Bytes, ModelFile
from elf.formats.found import MAX_TENSORS, Found, clipped, quoted
from elf.formats.protobuf import LENGTH, VARINT, Span, fields, packed_varints, signed, text, varint
from elf.formats.roles import role_of
from elf.tensor import DTYPES

MAX_DEPTH = 64  # of graphs within graphs

_DTYPES = {
    1: "f32", 2: "u8", 3: "i8", 4: "u16", 5: "i16", 6: "i32", 7: "i64", 9: "bool", 10: "f16", 11: "f64", 12: "u32",
    13: "u64", 14: "c64", 15: "c128", 16: "bf16", 17: "f8_e4m3", 18: "f8_e4m3fnuz", 19: "f8_e5m2",
    20: "f8_e5m2fnuz", 21: "u4", 22: "i4", 23: "f4_e2m1", 24: "f8_e8m0", 25: "u2", 26: "i2",
    27: "f6_e2m3", 28: "f6_e3m2",
}  # fmt: skip
_STRING = 8
_MODEL_FIELDS = {1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26}
# TensorProto's fields of elements; the values of the fixed ones are stored as they are.
_FIXED = {4: 4, 10: 8}  # float_data, double_data
_VARINTS = {5, 7, 11}  # int32_data, int64_data, uint64_data
_RAW = 9

# What an operator does with its inputs, by their position.
_ROLES: dict[str, dict[int, str]] = {
    "BatchNormalization": dict.fromkeys((1, 2, 3, 4), "norm"),
    "InstanceNormalization": dict.fromkeys((1, 2), "norm"),
    "LayerNormalization": dict.fromkeys((1, 2), "norm"),
    "GroupNormalization": dict.fromkeys((1, 2), "norm"),
    "RMSNormalization": {1: "norm"},
    "SimplifiedLayerNormalization": {1: "norm"},
    "SkipLayerNormalization": {2: "norm", 3: "norm", 4: "bias"},
    "EmbedLayerNormalization": {5: "norm", 6: "norm"},
    "QuantizeLinear": dict.fromkeys((1, 2), "scale"),
    "DequantizeLinear": {1: "scale", 2: "scale"},
    "MatMulInteger": dict.fromkeys((2, 3), "scale"),
    "ConvInteger": dict.fromkeys((2, 3), "scale"),
    "DynamicQuantizeMatMul": {2: "scale", 3: "scale", 4: "bias"},
    "DynamicQuantizeLSTM": {3: "bias"} | dict.fromkeys((8, 9, 10, 11), "scale"),
    "MatMulNBits": {2: "scale", 3: "scale", 5: "bias"},
    "QLinearMatMul": dict.fromkeys((1, 2, 4, 5, 6, 7), "scale"),
    "QLinearConv": dict.fromkeys((1, 2, 4, 5, 6, 7), "scale") | {8: "bias"},
    "Conv": {2: "bias"},
    "ConvTranspose": {2: "bias"},
    "Gemm": {2: "bias"},
    "LSTM": {3: "bias"},
    "GRU": {3: "bias"},
    "RNN": {3: "bias"},
    "Attention": {2: "bias"},
}


@dataclass(slots=True)
class _Proto:
    """A TensorProto: what it says, and where its elements lie."""

    name: str = ""
    dims: list[int] = field(default_factory=list)
    dtype: int = 0
    raw: Span | None = None
    fixed: list[Span] = field(default_factory=list)
    varints: list[Span] = field(default_factory=list)
    external: dict[str, str] = field(default_factory=dict)
    is_external: bool = False


def matches(path: Path, data: Bytes) -> bool:
    """By name, or when the whole file is the known fields of a model, a graph among them."""
    if path.suffix == ".onnx":
        return True
    numbers = set()
    try:
        for number, *_ in fields(data.data, (0, data.size)):
            numbers.add(number)
            if number not in _MODEL_FIELDS:
                return False
    except ElfError:
        return False
    return {1, 7} <= numbers


def read(path: Path, data: Bytes) -> ModelFile:
    """Open an ONNX model: initializers, constants and the tensors of subgraphs, and its external data files."""
    walk = _Walk(data.data)
    walk.model()
    externals = _Externals(path)
    found = []
    for proto in walk.protos:
        if proto.dtype != _STRING:
            item = _found(proto, data, externals)
            item.role = walk.roles.get(proto.name) or _added(item, walk.added)
            found.append(item)
    return ModelFile(path, data, "onnx", found, externals=externals.paths)


class _Walk:
    """A walk over the graphs of a model that collects tensors, and roles by the operators that use them."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.protos: list[_Proto] = []
        self.roles: dict[str, str] = {}
        self.added: set[str] = set()

    def model(self) -> None:
        """ModelProto: graph 7, training_info 20 (its graphs 1 and 2), functions 25 (their nodes 7)."""
        graphs = 0
        for number, span in self._messages((0, len(self.data))):
            if number == 7:
                graphs += 1
                self._graph(span, 0)
            elif number == 20:
                self._each(span, {1: self._graph, 2: self._graph}, 0)
            elif number == 25:
                self._each(span, {7: self._node}, 0)
        if not graphs:
            raise ElfError("there is no graph in it: truncated, or not ONNX")

    def _graph(self, span: Span, depth: int) -> None:
        """GraphProto: nodes 1, initializers 5, sparse initializers 15."""
        if depth > MAX_DEPTH:
            raise ElfError(f"graphs lie within graphs more than {MAX_DEPTH} deep")
        self._each(span, {1: self._node, 5: self._tensor, 15: self._sparse}, depth)

    def _node(self, span: Span, depth: int) -> None:
        """NodeProto: inputs 1, outputs 2, op_type 4, attributes 5."""
        inputs, outputs, attributes, operator = [], [], [], ""
        for number, part in self._messages(span):
            if number == 1:
                inputs.append(text(self.data, part))
            elif number == 2:
                outputs.append(text(self.data, part))
            elif number == 4:
                operator = text(self.data, part)
            elif number == 5:
                attributes.append(part)
        for position, role in _ROLES.get(operator, {}).items():
            if position < len(inputs):
                self.roles.setdefault(inputs[position], role)
        if operator == "Add":
            self.added.update(inputs)
        for attribute in attributes:
            self._attribute(attribute, depth, outputs[0] if outputs else operator, operator == "Constant")

    def _attribute(self, span: Span, depth: int, owner: str, constant: bool) -> None:
        """AttributeProto: name 1, tensor 5, graph 6, tensors 10, graphs 11, sparse tensors 22 and 23.

        A tensor in it is called after the constant that it is, or after the node's first output and the attribute.
        """
        first, name = len(self.protos), ""
        for number, part in self._messages(span):
            if number == 1:
                name = text(self.data, part)
            elif number in (5, 10):
                self._tensor(part, depth)
            elif number in (22, 23):
                self._sparse(part, depth)
            elif number in (6, 11):
                self._graph(part, depth + 1)
                first = len(self.protos)
        for proto in self.protos[first:]:
            proto.name = clipped(owner if constant else f"{owner}.{name}")

    def _sparse(self, span: Span, depth: int) -> None:
        """SparseTensorProto: values 1 (which has the name), indices 2."""
        first = len(self.protos)
        self._each(span, {1: self._tensor, 2: self._tensor}, depth)
        names = [proto.name for proto in self.protos[first:] if proto.name]
        for proto in self.protos[first + 1 :]:
            proto.name = clipped(f"{names[0] if names else ''}.indices")

    def _tensor(self, span: Span, depth: int) -> None:
        """TensorProto: dims 1, data_type 2, elements 4, 5, 7, 9 to 11, name 8, external_data 13, data_location 14."""
        del depth
        proto = _Proto()
        for number, kind, start, stop in fields(self.data, span):
            if number == 1:
                proto.dims += self._numbers(kind, start, stop)
            elif number == 2 and kind == VARINT:
                proto.dtype = start
            elif number == 13 and kind == LENGTH:
                key, value = self._pair((start, stop))
                proto.external[key] = value
            elif number == 14 and kind == VARINT:
                proto.is_external = start == 1
            elif number == 8 and kind == LENGTH:
                proto.name = text(self.data, (start, stop))
            elif number == _RAW and kind == LENGTH:
                proto.raw = (start, stop)
            elif number in _FIXED and kind != VARINT:
                proto.fixed.append((start, stop))
            elif number in _VARINTS and kind == LENGTH:
                proto.varints.append((start, stop))
            elif number in _VARINTS:
                raise ElfError(f"tensor {quoted(proto.name)} has numbers that are not packed")
        self.protos.append(proto)
        if len(self.protos) > MAX_TENSORS:
            raise ElfError(f"there are more than {MAX_TENSORS} tensors in it")

    def _numbers(self, kind: int, start: int, stop: int) -> Iterator[int]:
        if kind == VARINT:
            yield signed(start)
        while kind == LENGTH and start < stop:
            value, start = varint(self.data, start, stop)
            yield signed(value)

    def _pair(self, span: Span) -> tuple[str, str]:
        pair = {number: text(self.data, part) for number, part in self._messages(span)}
        return pair.get(1, ""), pair.get(2, "")

    def _messages(self, span: Span) -> Iterator[tuple[int, Span]]:
        """The fields that have a length."""
        for number, kind, start, stop in fields(self.data, span):
            if kind == LENGTH:
                yield number, (start, stop)

    def _each(self, span: Span, handlers: dict[int, Callable[[Span, int], None]], depth: int) -> None:
        for number, part in self._messages(span):
            if number in handlers:
                handlers[number](part, depth)


class _Externals:
    """The data files that a model names, each within the model's folder."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._parts = {model.resolve(): 0}
        self.paths: list[Path] = []

    def part(self, location: str) -> int:
        """The number of the part that is the file at `location`. Raises ElfError if that leaves the folder."""
        path, target = self._inside(location)
        if target not in self._parts:
            self.paths.append(path)
            self._parts[target] = len(self.paths)
        return self._parts[target]

    def _inside(self, location: str) -> tuple[Path, Path]:
        if not location or "\0" in location or re.match(r"[/\\]|[A-Za-z]:", location) or ".." in Path(location).parts:
            raise ElfError(f"external data {quoted(location)} leaves the model's folder: refused")
        path = self._model.parent / location
        # A model that is itself a link (the Hugging Face cache) may have its data beside what it points to.
        folders = (self._model.parent.resolve(), self._model.resolve().parent)
        target = path.resolve()
        if not any(target.is_relative_to(folder) for folder in folders):
            raise ElfError(f"external data {quoted(location)} is a link that leaves the model's folder: refused")
        return path, target


def _added(item: Found, added: set[str]) -> str | None:
    """A vector that is added is a bias, unless its name says more."""
    is_weight = len(item.shape) == 1 and role_of(item.name, item.dtype, item.shape) == "weight"
    return "bias" if is_weight and item.name in added else None


def _found(proto: _Proto, data: Bytes, externals: _Externals) -> Found:
    if proto.dtype not in _DTYPES:
        raise ElfError(f"tensor {quoted(proto.name)} has the unknown type {proto.dtype}")
    item = Found(proto.name, _DTYPES[proto.dtype], tuple(proto.dims), None, 0)
    if proto.is_external:
        return _external(item, proto.external, externals)
    if proto.raw is not None:
        item.start, item.length = proto.raw[0], proto.raw[1] - proto.raw[0]
    elif len(proto.fixed) == 1:
        item.start, item.length = proto.fixed[0][0], proto.fixed[0][1] - proto.fixed[0][0]
    elif proto.fixed or proto.varints:
        _decoded(item, proto, data)
    elif item.nbytes:
        raise ElfError(f"tensor {quoted(proto.name)} has no elements, its shape needs {item.nbytes} bytes")
    else:
        item.start = 0
    return item


def _external(item: Found, external: dict[str, str], externals: _Externals) -> Found:
    numbers = {key: external.get(key, default) for key, default in (("offset", "0"), ("length", str(item.nbytes)))}
    if not all(re.fullmatch(r"\d{1,19}", number, re.ASCII) for number in numbers.values()):
        raise ElfError(f"tensor {quoted(item.name)} has an impossible offset or length of its external data")
    item.start, item.length = int(numbers["offset"]), int(numbers["length"])
    item.part = externals.part(external.get("location", ""))
    return item


def _decoded(item: Found, proto: _Proto, data: Bytes) -> None:
    spans = proto.fixed or proto.varints
    item.start, item.length = spans[0][0], spans[-1][1] - spans[0][0]
    chunks = [data[start:stop] for start, stop in spans]
    if proto.fixed:
        item.decode = lambda: np.concatenate(chunks)
        return
    if item.dtype.startswith("f6"):
        raise ElfError(f"tensor {quoted(item.name)} has floats of six bits that are not packed: not read")
    numpy = DTYPES[item.dtype].numpy
    width = 1 if numpy is None else numpy.itemsize

    def decode() -> Bytes:
        values = packed_varints(chunks)
        return values.astype(f"<u{width}").view(np.uint8)

    item.decode = decode
