"""The sets of parameters of a model file: sketches of them, and how the values compare with noise.

Two kinds of shingle. `parameter` is (name of the tensor, dtype, position in C order, bit pattern): two files share one
where they hold the same bits at the same place of the same tensor. `value` is (dtype, bit pattern): the set of all
values that occur, wherever. Aliases and types whose elements do not fall on bytes are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from analysis.measure import Emit
from analysis.similarity.sketches import SCHEMES, Kind, Sketch
from analysis.similarity.stand_in import Noise
from elf.formats.base import ModelFile
from elf.kernels.distinct import distinct_in_place
from elf.kernels.minhash import hash_placed, hash_values
from elf.tensor import DTYPES, Tensor

SKETCHES = pa.schema(
    [
        ("shingle", pa.string()),  # parameter or value
        ("method", pa.string()),  # datasketch or rensa
        ("scheme", pa.string()),
        ("seed", pa.int64()),
        ("n_params", pa.int64()),  # elements that were looked at
        ("signature", pa.list_(pa.uint64())),
    ]
)
PIECE = 1 << 20
"""Elements that are hashed at a time."""


def sketch(model: ModelFile, permutations: int, seed: int, emit: Emit) -> None:
    """Emit the tables `sketches` and `noise` of one model file. Raises ElfError when a tensor cannot be decoded."""
    kind = Kind(permutations, seed)
    sets = {"parameter": Sketch(kind), "value": Sketch(kind)}
    noise = Noise(seed, [(tensor.dtype, tensor.n_params) for tensor in own(model)])
    n_params = 0
    for tensor in own(model):
        n_params += tensor.n_params
        for start, patterns in pieces(model, tensor):
            sets["parameter"].add(_placed(tensor, start, patterns))
            noise.add(tensor.dtype, patterns)
            sets["value"].add(_values(tensor.dtype, patterns))
        noise.end_tensor(tensor.dtype)
        model.release()
    emit("sketches", pa.Table.from_pylist(list(_rows(sets, kind, n_params)), schema=SKETCHES))
    emit("noise", noise.table())


def _rows(sets: dict[str, Sketch], kind: Kind, n_params: int) -> Iterator[dict[str, object]]:
    for shingle, made in sets.items():
        for method, signature in made.signatures().items():
            row = {"shingle": shingle, "method": method, "scheme": SCHEMES[method], "seed": kind.seed}
            yield {**row, "n_params": n_params, "signature": signature}


def own(model: ModelFile) -> list[Tensor]:
    """Tensors whose elements are looked at one by one: no aliases, and of a type with whole bytes."""
    return [tensor for tensor in model.tensors if tensor.alias_of is None and countable(tensor.dtype)]


def countable(dtype: str) -> bool:
    """Whether the elements of a type are single numbers of whole bytes."""
    kind = DTYPES[dtype].numpy
    return kind is not None and kind.kind != "c"


def pieces(model: ModelFile, tensor: Tensor) -> Iterator[tuple[int, NDArray[Any]]]:
    """Consecutive elements of a tensor as unsigned integers, with the place of the first; copies, aligned."""
    width = DTYPES[tensor.dtype].block_bytes
    data = model.bytes(tensor)
    for start in range(0, tensor.n_params, PIECE):
        piece = data[start * width : (start + PIECE) * width]
        yield start, np.array(piece).view(f"<u{width}")


def _placed(tensor: Tensor, start: int, patterns: NDArray[Any]) -> NDArray[np.uint64]:
    hashes = np.empty(patterns.size, np.uint64)
    hash_placed(patterns, np.uint64(start), _seed(tensor.name, tensor.dtype), hashes)
    return hashes


def _values(dtype: str, patterns: NDArray[Any]) -> NDArray[np.uint64]:
    """Of distinct patterns only; overwrites `patterns`."""
    distinct = distinct_in_place(patterns)
    hashes = np.empty(distinct.size, np.uint64)
    hash_values(distinct, _seed(dtype), hashes)
    return hashes


def _seed(*names: str) -> np.uint64:
    """64 bits that stand for these names."""
    return np.uint64(xxhash.xxh3_64_intdigest("\0".join(names).encode("utf-8", "surrogatepass")))
