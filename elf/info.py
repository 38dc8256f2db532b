"""What is in an Elves file: for every tensor the choice that was made, what it costs, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from elf.container import ElvesFile
from elf.index import Row


@dataclass(frozen=True)
class Choice:
    """One tensor of the original file, sizes in bytes.

    `codec` is None where it has no coded bytes of its own: in the skeleton, or the same as the tensor `same_as`.
    `bound` is None where every bit is kept.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    role: str
    bytes_in: int
    bytes_out: int
    codec: str | None
    bound: float | None
    same_as: str | None
    reason: str
    """Why it is lossy, or why not."""


@dataclass(frozen=True)
class Info:
    """An Elves file; `bytes_tensors`, `bytes_skeleton` and `bytes_container` add up to `bytes_out`."""

    format: str
    parts: tuple[str, ...]
    bytes_in: int
    bytes_out: int
    bytes_tensors: int
    bytes_skeleton: int
    bytes_container: int
    """Header and index."""
    lossy: int
    choices: tuple[Choice, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON would hold it."""
        return asdict(self)


def describe(file: ElvesFile) -> Info:
    """Read what an Elves file says of itself; no tensor is decoded. Raises ElfError when that is damaged."""
    index = file.index
    owners: dict[int, str] = {}
    choices = tuple(_choice(file, row, owners) for row in index.rows)
    tensors, bones = sum(index.payloads), sum(index.skeleton)
    lossy = sum(choice.bound is not None for choice in choices)
    return Info(file.format, index.names, sum(index.sizes), file.nbytes, tensors, bones,
                file.nbytes - tensors - bones, lossy, choices)  # fmt: skip


def _choice(file: ElvesFile, row: Row, owners: dict[int, str]) -> Choice:
    tensor = row.tensor
    bound = file.bound_of(tensor.name)
    codec, same_as, size = None, tensor.alias_of, 0
    if row.payload is not None:
        owner = owners.setdefault(row.payload, tensor.name)
        same_as = None if owner == tensor.name else owner
        if same_as is None:
            codec, size = file.payload(row).head.codec.name, file.index.payloads[row.payload]
    return Choice(tensor.name, tensor.dtype, tensor.shape, tensor.role, tensor.stored, size, codec, bound, same_as,
                  _reason(row, bound))  # fmt: skip


def _reason(row: Row, bound: float | None) -> str:
    return "lossless is smaller" if row.reason == "weight" and bound is None else row.reason
