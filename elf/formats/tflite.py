"""TensorFlow Lite: constants of a flatbuffer model (tensorflow/lite/schema/schema.fbs of github.com/tensorflow)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from elf.errors import ElfError
from elf.formats.base import Bytes, ModelFile
from elf.formats.flatbuffer import Buffer, Table
from elf.formats.found import MAX_DIMS, MAX_TENSORS, Found, clipped, quoted
from elf.tensor import DTYPES

MAGIC = b"TFL3"

_DTYPES = {
    0: "f32", 1: "f16", 2: "i32", 3: "u8", 4: "i64", 6: "bool", 7: "i16", 8: "c64", 9: "i8", 10: "f64", 11: "c128",
    12: "u64", 15: "u32", 16: "u16", 17: "i4", 18: "bf16", 19: "i2", 20: "u4",
}  # fmt: skip
_OTHER_TYPES = {5, 13, 14}  # strings, resources, variants: no numbers
# Which input of an operator is a bias: of convolutions, fully connected layers and transposed convolutions.
_BIAS_INPUT = {3: 2, 4: 2, 9: 2, 67: 3}
_UNPACKING = {6, 124}  # DEQUANTIZE and DENSIFY: what they give is what they are given
_INDEX_TYPES = {1: ("i32", 4), 2: ("u16", 2), 3: ("u8", 1)}


def matches(path: Path, data: Bytes) -> bool:
    """By the file identifier, or by name."""
    return data[4:8].tobytes() == MAGIC or path.suffix == ".tflite"


def read(path: Path, data: Bytes) -> ModelFile:
    """Open a TFLite model: every tensor with a buffer, and beside it what its quantisation and sparsity hold."""
    if data[4:8].tobytes() != MAGIC:
        raise ElfError("has no TFL3 identifier: truncated, or not TFLite")
    model = Buffer(data.data).table(0)
    buffers = [_buffer(table) for table in model.tables(4)]
    found: list[Found] = []
    for graph in model.tables(2):
        biases = _biases(model, graph)
        for index, tensor in enumerate(graph.tables(0)):
            items = list(_tensor(tensor, buffers))
            if items and index in biases:
                items[0].role = "bias"
            found += items
            if len(found) > MAX_TENSORS:
                raise ElfError(f"there are more than {MAX_TENSORS} tensors in it")
    return ModelFile(path, data, "tflite", found)


def _buffer(table: Table) -> tuple[int, int]:
    """Where a buffer's bytes are and how many; a large one lies behind the flatbuffer, at an offset of its own."""
    start, count = table.vector(0, 1)
    if count:
        return start, count
    return table.number(1, "<Q"), table.number(2, "<Q")


def _biases(model: Table, graph: Table) -> set[int]:
    """The tensors that operators add as a bias, directly or unpacked."""
    codes = [max(code.number(0, "<b"), code.number(3, "<i")) for code in model.tables(1)]
    found, unpacked = set(), []
    for operator in graph.tables(3):
        index = operator.number(0, "<I")
        code = codes[index] if index < len(codes) else None
        inputs, outputs = operator.numbers(1, "<i"), operator.numbers(2, "<i")
        if code in _BIAS_INPUT and _BIAS_INPUT[code] < len(inputs):
            found.add(inputs[_BIAS_INPUT[code]])
        if code in _UNPACKING and inputs and outputs:
            unpacked.append((outputs[0], inputs[0]))
    for output, source in reversed(unpacked):  # operators come in the order in which they run
        if output in found:
            found.add(source)
    return found


def _tensor(table: Table, buffers: list[tuple[int, int]]) -> Iterator[Found]:
    name, code, buffer = table.text(3), table.number(1, "<b"), table.number(2, "<I")
    if buffer >= len(buffers):
        raise ElfError(f"tensor {quoted(name)} has the buffer {buffer} of {len(buffers)}")
    start, length = buffers[buffer]
    if not length or code in _OTHER_TYPES:
        return
    if code not in _DTYPES:
        raise ElfError(f"tensor {quoted(name)} has the unknown type {code}")
    shape = tuple(table.numbers(0, "<i"))
    if len(shape) > MAX_DIMS or any(size < 0 for size in shape):
        raise ElfError(f"tensor {quoted(name)} has an impossible shape")
    dtype, sparsity, quantisation = _DTYPES[code], table.table(6), table.table(4)
    if sparsity is not None:
        # What is stored are the values that are not zero, one after another.
        shape = (length * DTYPES[dtype].block // DTYPES[dtype].block_bytes,)
    yield Found(name, dtype, shape, start, length)
    if sparsity is not None:
        yield from _sparsity(name, sparsity)
    if quantisation is not None:
        yield from _quantisation(name, quantisation)


def _sparsity(name: str, table: Table) -> Iterator[Found]:
    """The segments and indices of every compressed dimension."""
    for position, dimension in enumerate(table.tables(2)):
        for label, slot in (("segments", 2), ("indices", 4)):
            kind, values = dimension.number(slot, "<B"), dimension.table(slot + 1)
            if values is not None and kind in _INDEX_TYPES:
                dtype, width = _INDEX_TYPES[kind]
                start, count = values.vector(0, width)
                yield Found(clipped(f"{name}:{label}{position}"), dtype, (count,), start, count * width, role="other")


def _quantisation(name: str, table: Table) -> Iterator[Found]:
    for label, slot, dtype in (("scale", 2, "f32"), ("zero_point", 3, "i64")):
        start, count = table.vector(slot, DTYPES[dtype].block_bytes)
        if count:
            length = DTYPES[dtype].nbytes((count,))
            yield Found(clipped(f"{name}:{label}"), dtype, (count,), start, length, role="scale")
