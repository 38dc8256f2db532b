"""Elves itself: the file that `elves compress` would write with these layers lossy, read back and compared."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import zstandard

from analysis.evaluation.coded import Row, bound_of, emit_rows
from analysis.evaluation.errors import Errors, energy, errors
from analysis.evaluation.methods import PUBLISHED
from analysis.evaluation.subject import Layer, Subject
from analysis.measure import Emit
from elf.bound import Bound
from elf.codecs.base import FLOATS, Values
from elf.coding import typed
from elf.container import ElvesFile
from elf.errors import ElfError
from elf.index import Row as IndexRow
from elf.rule import Decision, Rule
from elf.tensor import Tensor
from elf.writer import compress_file

LAYERS = pa.schema(
    [
        ("number", pa.int32()),
        ("name", pa.string()),
        ("role", pa.string()),
        ("dtype", pa.string()),
        ("n_params", pa.int64()),
        ("bytes_in", pa.int64()),
        ("digest", pa.string()),
        ("eligible", pa.bool_()),
        ("reason", pa.string()),
        ("sum_sq", pa.float64()),  # of the finite values; null where the type is no float of 16 bits or more
        ("n_nonzero", pa.int64()),
        ("bytes_lossless", pa.int64()),
    ]
)

CHOICES = pa.schema([("number", pa.int32()), ("codec", pa.string()), ("bytes_out", pa.int64())])

FILE = pa.schema(
    [
        ("bytes_in", pa.int64()),
        ("bytes_rest", pa.int64()),  # in no layer
        ("bytes_container", pa.int64()),  # what holds them in the Elves file, with header and index
        ("bytes_zstd", pa.int64()),  # zstd level 3 over the whole file
    ]
)

PER_TENSOR = "per tensor"
FORCED = "every f32 tensor, whatever its role"


@dataclass(frozen=True)
class These(Rule):
    """The layers that are named, within one bound, whatever their values are; everything else exactly."""

    names: frozenset[str] = frozenset()
    within: Bound | None = None

    def before(self, tensor: Tensor) -> Decision:
        """Lossy by name alone."""
        if tensor.name in self.names and self.within is not None:
            return Decision("eligible", self.within, forced=True)
        return Decision("kept")


@dataclass(frozen=True)
class Written:
    """What became of each layer, and the bytes of the file beside them."""

    rows: dict[int, IndexRow]
    codecs: dict[int, str]
    sizes: dict[int, int]
    container: int


def write(
    subject: Subject, layers: list[Layer], step: int, rows: list[Row] | None = None, setting: str = ""
) -> Written:
    """Write the file with `layers` within 2 ** -step, read every layer back and compare; `rows` gets their errors.

    Raises ElfError when a layer that is to be exact is not.
    """
    names = {layer.number for layer in layers}
    rule = These(names=_with_aliases(subject, layers), within=Bound("absolute", bound_of(step) if step else 1.0))
    with tempfile.TemporaryDirectory(prefix="elves-") as folder:
        target = Path(folder) / "model.elves.safetensors"
        compress_file(subject.model.path, target, rule=rule)
        with ElvesFile(target) as file:
            found = _described(subject, file)
            for layer in subject.layers:
                after = typed(file.payload(found.rows[layer.number]).decode().view(np.uint8), layer.tensor.dtype)
                made = _errors(subject.values(layer), after, layer.tensor.dtype, bound_of(step))
                row = Row(layer.number, setting, step, found.sizes[layer.number], errors=made)
                if layer.number not in names and row.errors.n_changed:
                    raise ElfError(f"{subject.model.path}: tensor {layer.tensor.name} came back changed")
                if rows is not None and layer.number in names:
                    rows.append(row)
                file.release()
            return found


def _with_aliases(subject: Subject, layers: list[Layer]) -> frozenset[str]:
    """Names of the layers and of the tensors that are stored in their bytes: one that differs would keep both exact."""
    owners = {layer.tensor.name for layer in layers}
    return frozenset(owners | {tensor.name for tensor in subject.model.tensors if tensor.alias_of in owners})


def _described(subject: Subject, file: ElvesFile) -> Written:
    rows, codecs, sizes = {}, {}, {}
    by_name = {row.tensor.name: row for row in file.index.rows}
    for layer in subject.layers:
        row = rows[layer.number] = by_name[layer.tensor.name]
        assert row.payload is not None  # it is a range
        codecs[layer.number] = file.payload(row).head.codec.name
        sizes[layer.number] = file.index.payloads[row.payload]
    return Written(rows, codecs, sizes, file.nbytes - sum(file.index.payloads))


def _errors(before: Values, after: Values, dtype: str, bound: float) -> Errors:
    if dtype in FLOATS:
        return errors(before, after, dtype, bound)
    return Errors(n_changed=int(np.count_nonzero(before.view(np.uint8) != after.view(np.uint8))))


def lossless_rows(subject: Subject, emit: Emit) -> None:
    """Emit `layers` and `file`: everything exact, which is the fallback of every method."""
    written = write(subject, [], 0)
    rows = [_layer(subject, layer, written) for layer in subject.layers]
    emit("layers", pa.Table.from_pylist(rows, schema=LAYERS))
    whole = {
        "bytes_in": subject.bytes,
        "bytes_rest": subject.rest,
        "bytes_container": written.container,
        "bytes_zstd": _zstd(subject),
    }
    emit("file", pa.Table.from_pylist([whole], schema=FILE))


def _layer(subject: Subject, layer: Layer, written: Written) -> dict[str, object]:
    tensor = layer.tensor
    squares, nonzero = energy(subject.values(layer), tensor.dtype) if tensor.dtype in FLOATS else (None, None)
    return {
        "number": layer.number,
        "name": tensor.name,
        "role": tensor.role,
        "dtype": tensor.dtype,
        "n_params": tensor.n_params,
        "bytes_in": layer.where.size,
        "digest": subject.digest(layer),
        "eligible": layer.eligible,
        "reason": layer.reason,
        "sum_sq": squares,
        "n_nonzero": nonzero,
        "bytes_lossless": written.sizes[layer.number],
    }


_STRIDE = 1 << 24


def _zstd(subject: Subject) -> int:
    """Bytes of zstd level 3 over each part of the file as one frame: the authors' baseline."""
    total = 0
    for number in range(len(subject.model.parts)):
        data = subject.model.part(number)
        stream = zstandard.ZstdCompressor(level=3).compressobj(size=data.size)
        for start in range(0, data.size, _STRIDE):
            total += len(stream.compress(data[start : start + _STRIDE].data))
            subject.model.release()
        total += len(stream.flush())
    return total


def elves_rows(subject: Subject, step: int, emit: Emit) -> None:
    """Emit `coded` for the eligible layers, and at the published bound `choices` for all."""
    rows: list[Row] = []
    written = write(subject, subject.eligible, step, rows, PER_TENSOR)
    emit_rows("elves", rows, emit)
    chosen = [
        {"number": number, "codec": written.codecs[number], "bytes_out": size} for number, size in written.sizes.items()
    ]
    if step == PUBLISHED:
        emit("choices", pa.Table.from_pylist(chosen, schema=CHOICES))


def forced_rows(subject: Subject, step: int, emit: Emit) -> None:
    """Emit `coded` for all layers of f32: what Elves would come to if it asked for no role."""
    rows: list[Row] = []
    write(subject, [layer for layer in subject.layers if layer.tensor.dtype == "f32"], step, rows, FORCED)
    emit_rows("everything", rows, emit)
