"""What an Elves file says about itself: its index, and the safetensors header that follows from it byte for byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from elf.errors import ElfError
from elf.formats.found import MAX_DIMS, quoted
from elf.skeleton import Layout, Range
from elf.tensor import DTYPES, ROLES, Tensor

VERSION = 1
RESERVED = "__elves__"
INDEX = f"{RESERVED}/index"
MAX_HEADER = 100_000_000  # the limit of the reference implementation of safetensors
MAX_PIECE = 1 << 26

_LARGEST = 1 << 63


@dataclass(frozen=True, slots=True)
class Row:
    """A tensor of the original file: where its bytes are, and how it was decided what becomes of them.

    `payload` is the number of its payload, None when its bytes are in the skeleton or in those of another tensor.
    `tensor.offset` is set when they lie plain in the original file; `tensor.axes` is their order of axes then.
    """

    tensor: Tensor
    payload: int | None
    reason: str


@dataclass(frozen=True)
class Index:
    """Everything of an Elves file that is not coded bytes. Raises ElfError when it contradicts itself.

    `names`, `sizes` and `digests` (xxh3-128, hexadecimal) are those of the original's parts. `payloads` are lengths,
    in the order in which they lie in the file; so are `skeleton`, whose pieces decode to `piece` bytes each but the
    last. `header` is the length of the safetensors header, with the spaces at its end.
    """

    format: str
    header: int
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    digests: tuple[str, ...]
    payloads: tuple[int, ...]
    skeleton: tuple[int, ...]
    piece: int
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        if len(self.digests) != len(self.names) or not 1 <= self.piece <= MAX_PIECE or self.header > MAX_HEADER:
            raise ElfError("damaged index: lengths do not belong together")
        if len(self.skeleton) != -(-self.layout.skeleton_bytes // self.piece):
            raise ElfError("damaged index: the skeleton has another number of pieces")
        if len({row.tensor.name for row in self.rows}) < len(self.rows):
            raise ElfError("damaged index: two tensors have the same name")
        if any(
            row.tensor.part >= len(self.sizes) or _end(row.tensor) > self.sizes[row.tensor.part] for row in self.rows
        ):
            raise ElfError("damaged index: a tensor lies outside the file")
        if self.keys.count("") or len(set(self.keys)) < len(self.keys):
            raise ElfError("damaged index: a payload belongs to no tensor")

    @cached_property
    def ranges(self) -> list[tuple[Range, Row]]:
        """The rows with a payload, by place."""
        with_payload = [row for row in self.rows if row.payload is not None]
        placed = [(_place(row.tensor), row) for row in with_payload]
        return sorted(placed, key=lambda pair: (pair[0].part, pair[0].start))

    @cached_property
    def layout(self) -> Layout:
        """Where the ranges lie; range i is that of `ranges[i]`."""
        return Layout(self.names, self.sizes, tuple(item for item, _ in self.ranges))

    @cached_property
    def keys(self) -> list[str]:
        """The names in the safetensors header: a payload is called after the first tensor that has it."""
        keys = [""] * len(self.payloads)
        for row in reversed(self.rows):
            if row.payload is not None:
                keys[row.payload] = escaped(row.tensor.name)
        return keys

    def header_text(self, index_length: int) -> bytes:
        """The safetensors header, with spaces to the length `header`. Raises ElfError when it is longer than that."""
        named = zip(self.keys, self.payloads, strict=True)
        pieces = ((skeleton_key(number), length) for number, length in enumerate(self.skeleton))
        text = header_text([*named, *pieces, (INDEX, index_length)])
        if len(text) > self.header:
            raise ElfError("damaged index: the header is longer than it says")
        return text.ljust(self.header)

    def to_bytes(self) -> bytes:
        """The index as it is coded: JSON, described in FORMAT.md."""
        reasons = sorted({row.reason for row in self.rows})
        places = {reason: place for place, reason in enumerate(reasons)}
        rows = [_row_to_json(row, places[row.reason]) for row in self.rows]
        parts = list(zip(self.names, self.sizes, self.digests, strict=True))
        fields = {"version": VERSION, "format": self.format, "header": self.header, "parts": parts,
                  "payloads": self.payloads, "skeleton": self.skeleton, "piece": self.piece, "reasons": reasons,
                  "tensors": rows}  # fmt: skip
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """The inverse of `to_bytes`. Raises ElfError for whatever that would not have written."""
        try:
            fields = json.loads(data)
            if set(fields) != set(_FIELDS) or fields["version"] != VERSION:
                raise ElfError("damaged index: it has other fields than version 1")
            names, sizes, digests = zip(*fields["parts"], strict=True)
            rows = tuple(_row_from_json(row, fields["reasons"]) for row in fields["tensors"])
            made = cls(_text(fields["format"]), _number(fields["header"]), tuple(map(_text, names)),
                       _numbers(sizes), tuple(map(_text, digests)), _numbers(fields["payloads"]),
                       _numbers(fields["skeleton"]), _number(fields["piece"]), rows)  # fmt: skip
        except (ValueError, TypeError, LookupError, RecursionError, AttributeError) as error:
            raise ElfError(f"damaged index: {error}") from error
        return made


_FIELDS = ("version", "format", "header", "parts", "payloads", "skeleton", "piece", "reasons", "tensors")


def escaped(name: str) -> str:
    """The name of a tensor in the safetensors header: itself, unless it is empty or would be mistaken for ours."""
    taken = not name or name == "__metadata__" or name.startswith(RESERVED)
    return f"{RESERVED}/name/{name}" if taken else name


def skeleton_key(number: int) -> str:
    """The name of a piece of skeleton in the safetensors header."""
    return f"{RESERVED}/skeleton/{number}"


def header_text(entries: Sequence[tuple[str, int]]) -> bytes:
    """The JSON of a safetensors header for U8 tensors of these names and lengths, one after another."""
    pieces = [f'{{"__metadata__":{{"format":"elves","version":"{VERSION}"}}']
    start = 0
    for key, length in entries:
        name = json.dumps(key, ensure_ascii=False)
        pieces.append(f'{name}:{{"dtype":"U8","shape":[{length}],"data_offsets":[{start},{start + length}]}}')
        start += length
    return (",".join(pieces) + "}").encode()


def _place(tensor: Tensor) -> Range:
    if tensor.offset is None or tensor.alias_of is not None:
        raise ElfError(f"damaged index: tensor {quoted(tensor.name)} has a payload but no place")
    return Range(tensor.part, tensor.offset, tensor.offset + tensor.nbytes)


def _end(tensor: Tensor) -> int:
    return 0 if tensor.offset is None else tensor.offset + tensor.nbytes


def _row_to_json(row: Row, reason: int) -> list[Any]:
    tensor = row.tensor
    return [tensor.name, tensor.dtype, tensor.shape, tensor.role, tensor.part, tensor.offset, tensor.axes,
            tensor.alias_of, tensor.stored, row.payload, reason]  # fmt: skip


def _row_from_json(row: list[Any], reasons: list[Any]) -> Row:
    name, dtype, shape, role, part, offset, axes, alias_of, stored, payload, reason = row
    sizes = _numbers(shape)
    if dtype not in DTYPES or role not in ROLES or len(sizes) > MAX_DIMS:
        raise ElfError(f"damaged index: tensor {quoted(_text(name))} has the unknown dtype {quoted(_text(dtype))}")
    nbytes = DTYPES[dtype].nbytes(sizes)
    order = None if axes is None else _numbers(axes)
    if order is not None and sorted(order) != list(range(len(sizes))):
        raise ElfError(f"damaged index: tensor {quoted(_text(name))} has impossible axes")
    place = None if offset is None else _number(offset)
    alias = None if alias_of is None else _text(alias_of)
    tensor = Tensor(
        _text(name), dtype, sizes, _number(nbytes), _number(stored), place, _number(part), role, alias, order
    )
    return Row(tensor, None if payload is None else _number(payload), _text(reasons[_number(reason)]))


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ElfError("damaged index: a number is none, or too large")
    return value


def _numbers(values: Sequence[object]) -> tuple[int, ...]:
    return tuple(map(_number, values))


def _text(value: object) -> str:
    if type(value) is not str:
        raise ElfError("damaged index: a text is none")
    value.encode()  # half a surrogate pair is none either
    return value
