"""What deltas between the models of a family would add: layers of the same name, dtype and shape in an earlier file.

Without loss, against the relative as it was: XOR or difference, the smaller. A relative must then be kept exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from analysis.measure import Emit
from elf.choose import choose
from elf.codecs import DELTAS
from elf.codecs.base import Values
from elf.coding import typed
from elf.formats import ModelFile
from elf.skeleton import Range, cut
from elf.tensor import DTYPES, Tensor

DELTA = pa.schema(
    [
        ("index", pa.int32()),  # of the file in its group
        ("number", pa.int32()),  # of the layer in the file
        ("relative_index", pa.int32()),
        ("relative_number", pa.int32()),
        ("bytes_out", pa.int64()),
    ]
)

_Place = tuple[int, int, Range]


def delta_rows(files: Sequence[ModelFile], emit: Emit) -> None:
    """Emit `delta`: a row for each layer that has a relative with other bytes, the nearest file before it."""
    seen: dict[tuple[str, str, tuple[int, ...]], _Place] = {}
    rows = []
    for index, file in enumerate(files):
        layout, stored = cut(file)
        places = list(zip(stored, layout.ranges, strict=True))
        for number, (tensor, where) in enumerate(places):
            relative = seen.get((tensor.name, tensor.dtype, tensor.shape))
            if relative is not None and (size := _size(files, index, tensor, where, relative)) is not None:
                ends = {"relative_index": relative[0], "relative_number": relative[1]}
                rows.append({"index": index, "number": number, **ends, "bytes_out": size})
        for number, (tensor, where) in enumerate(places):
            seen[tensor.name, tensor.dtype, tensor.shape] = index, number, where
    emit("delta", pa.Table.from_pylist(rows, schema=DELTA))


def _size(files: Sequence[ModelFile], index: int, tensor: Tensor, where: Range, relative: _Place) -> int | None:
    """Payload bytes of the smaller delta; None for identical bytes."""
    mine, yours = _values(files[index], tensor, where), _values(files[relative[0]], tensor, relative[2])
    if mine.tobytes() == yours.tobytes():
        return None
    deltas = [delta.against(yours) for delta in DELTAS]
    size = len(choose(mine, tensor.dtype, tensor.shape, deltas))
    for file in files:
        file.release()
    return size


def _values(file: ModelFile, tensor: Tensor, where: Range) -> Values:
    data = file.part(where.part)[where.start : where.stop]
    return typed(data, tensor.dtype if DTYPES[tensor.dtype].numpy is not None else "u8")
