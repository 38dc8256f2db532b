"""From what a reader finds to the tensors of a model file: checked, in order, with unique names, aliases told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elf.errors import ElfError
from elf.formats.roles import roles_of
from elf.tensor import DTYPES, Tensor

Decode = Callable[[], NDArray[np.uint8]]

MAX_DIMS = 64
MAX_TENSORS = 250_000
MAX_NAME = 1024
# Deflate expands at most 1032-fold: what claims more than that beyond a small allowance was never stored.
MAX_EXPANSION = 1032
FREE_BYTES = 1 << 20


@dataclass(slots=True)
class Found:
    """A tensor as its reader finds it.

    `start` and `length` are the bytes of part `part` that hold it: the tensor's own bytes if `decode` is None, else
    what is decoded. `start` is None when they lie in several places. `decode` gives uint8, shape (nbytes,),
    little-endian in C order. `role` is set when the file itself tells it (a graph does), `same_as` when the file gives
    one tensor two names and `start` does not show it. `axes` is set where decoding would only reorder the axes: the
    stored bytes are the tensor's in C order once its axes are taken in this order.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int | None
    length: int
    part: int = 0
    decode: Decode | None = None
    role: str | None = None
    same_as: Found | None = None
    axes: tuple[int, ...] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded tensor."""
        return DTYPES[self.dtype].nbytes(self.shape)


def quoted(name: str) -> str:
    """A name from a file, fit for one line of an error message."""
    return repr(name) if len(name) <= 80 else f"{name[:77]!r}..."


def clipped(name: str) -> str:
    """A name that a reader put together: cut, since parts that a file holds once can be joined a million times."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."


def arrange(found: Sequence[Found], sizes: Sequence[int]) -> list[tuple[Tensor, Found]]:
    """Tensors by part and offset, then name, each with what it was made from.

    `sizes` are the bytes of each part. What lies over an earlier tensor becomes its alias, even where it only overlaps
    in part. Raises ElfError for a range outside its part, a length that is not the shape's, an impossible shape, and
    tensors that claim more bytes than the file holds.
    """
    if len(found) > MAX_TENSORS:
        raise ElfError(f"there are more than {MAX_TENSORS} tensors in it")
    for item in found:
        _check(item, sizes)
    ordered = sorted(found, key=_position)
    _rename(ordered)
    _find_aliases(ordered)
    _check_total(ordered, sizes)
    return [(_tensor(item, role), item) for item, role in zip(ordered, roles_of(ordered), strict=True)]


def _check(item: Found, sizes: Sequence[int]) -> None:
    name = quoted(item.name)
    if len(item.shape) > MAX_DIMS or any(size < 0 for size in item.shape):
        raise ElfError(f"tensor {name} has an impossible shape of {len(item.shape)} dimensions")
    if item.decode is None:
        if item.start is None or item.length != item.nbytes:
            raise ElfError(f"tensor {name} holds {item.length} bytes, its shape needs {item.nbytes}")
    elif item.nbytes > MAX_EXPANSION * item.length + FREE_BYTES and item.same_as is None:
        raise ElfError(f"tensor {name} claims {item.nbytes} bytes but only {item.length} are stored")
    start, size = item.start or 0, sizes[item.part]
    if start < 0 or item.length < 0 or start + item.length > size:
        raise ElfError(f"tensor {name} lies outside the file: bytes {start} to {start + item.length} of {size}")


def _position(item: Found) -> tuple[int, bool, int, int, bool, str]:
    """Scattered tensors last; at one offset the longest first, so that it is the others that are its aliases."""
    return (item.part, item.start is None, item.start or 0, -item.length, item.decode is not None, item.name)


def _rename(ordered: Sequence[Found]) -> None:
    """Names that can be written as UTF-8, the second of a kind with #2 behind it."""
    taken: set[str] = set()
    times: dict[str, int] = {}
    wanted = {item.name for item in ordered}
    for item in ordered:
        base = name = item.name.encode("utf-8", "backslashreplace").decode()
        while name in taken or (name != item.name and name in wanted):
            times[base] = times.get(base, 1) + 1
            name = f"{base}#{times[base]}"
        taken.add(name)
        item.name = name


def _find_aliases(ordered: Sequence[Found]) -> None:
    """Ranges come sorted and those that are no alias are disjoint: only the last of them can reach this far."""
    owner: Found | None = None
    for item in ordered:
        if item.start is None or item.length == 0:
            continue
        if owner is not None and owner.part == item.part and item.start < (owner.start or 0) + owner.length:
            item.same_as = owner
        else:
            owner, item.same_as = item, None


def _check_total(ordered: Sequence[Found], sizes: Sequence[int]) -> None:
    totals = [0] * len(sizes)
    for item in ordered:
        totals[item.part] += 0 if item.same_as else item.length
    for total, size in zip(totals, sizes, strict=True):
        if total > size:
            raise ElfError(f"the tensors claim {total} bytes of a file of {size}")


def _tensor(item: Found, role: str) -> Tensor:
    plain = item.decode is None
    return Tensor(
        name=item.name,
        dtype=item.dtype,
        shape=item.shape,
        nbytes=item.nbytes,
        stored=0 if item.same_as else item.length,
        offset=item.start if plain else None,
        part=item.part,
        role=role,
        alias_of=item.same_as.name if item.same_as else None,
    )
