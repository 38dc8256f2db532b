"""Writing an Elves file from a model file: streaming, atomic, and the same bytes for any number of jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import xxhash

from elf.choose import candidates, choose
from elf.codecs import LOSSLESS
from elf.codecs.zstd import Zstd
from elf.coding import LARGE, STRIDE, passing, pieces, typed
from elf.container import ElvesFile, is_elves
from elf.decide import decisions
from elf.errors import ElfError
from elf.files import replacing
from elf.formats import ModelFile, open_model
from elf.formats.base import Bytes, one_error
from elf.index import INDEX, MAX_HEADER, Index, Row, escaped, header_text, skeleton_key
from elf.payload import in_order
from elf.restore import lossy_ranges
from elf.rule import Rule, after
from elf.skeleton import PIECE, cut, seals, skeleton
from elf.tensor import Tensor

BATCH = 1 << 27
"""Bytes of tensors that are read, coded and let go together."""

_LENGTH = 10**9  # more than the index is ever long
_SHORT = 1 << 20  # bytes that may take their time

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Summary:
    """What became of a model file, in bytes."""

    bytes_in: int
    bytes_out: int
    tensors: int
    lossy: int
    """Tensors that are restored within a bound; all others exactly."""


def compress_file(
    source: Path, target: Path, *, rule: Rule | None = None, jobs: int = 1, progress: Progress | None = None
) -> Summary:
    """Write the Elves file `target` from a model file of any format; a file of an unknown format is coded as bytes.

    `progress` is called with numbers of bytes that add up to those of the source. Raises ElfError when the source
    cannot be read or is an Elves file already, a pattern of the rule names no tensor, or the target cannot be written:
    what was there then remains.
    """
    with open_model(source) as model:
        if is_elves(model.part(0)):
            raise ElfError(f"{source}: is an Elves file already")
        if target.exists() and any(target.samefile(part) for part in model.parts):
            raise ElfError(f"{target}: is the input itself: choose another name")
        with one_error(source, model.format):
            writer = _Writer(model, rule or Rule(), jobs, progress or (lambda _: None))
        with replacing(target) as (stream,):
            writer.write(stream)
            stream.flush()
            return _checked(model, Path(stream.name))


def _checked(model: ModelFile, written: Path) -> Summary:
    """The file that was written can be opened, and restoring it can make the container's checksums right again."""
    with ElvesFile(written) as file:
        lossy = lossy_ranges(file)
        for part in range(len(model.parts)):
            with one_error(model.path, model.format):
                seals(model.part(part), [item for item in lossy if item.part == part])
        return Summary(sum(file.index.sizes), file.nbytes, len(file), len(lossy))


class _Writer:
    """One model file on its way into one Elves file."""

    def __init__(self, model: ModelFile, rule: Rule, jobs: int, progress: Progress) -> None:
        rule.refuse_idle_patterns(model.tensors)
        self.model = model
        self.jobs = jobs
        self.progress = progress
        self.layout, self.stored = cut(model)
        self.decisions = decisions(model, self.layout, self.stored, rule)
        self.header = self._reserved()
        self.lengths: list[int] = []
        self.payload_of: dict[int, int] = {}
        self.same: dict[int, int] = {}
        self.first: dict[object, int] = {}
        self.hashes = [xxhash.xxh3_128() for _ in model.parts]
        self.hashed = [0] * len(model.parts)

    def write(self, stream: BinaryIO) -> None:
        """Payloads, skeleton, index, and then the header before them."""
        stream.seek(8 + self.header)
        alike = Counter(map(self._kind, range(len(self.stored))))
        for batch in self._batches():
            new = [number for number in batch if self._is_new(number, alone=alike[self._kind(number)] == 1)]
            for number, coded in zip(new, self._coded(new), strict=True):
                self.payload_of[number] = len(self.lengths)
                self.lengths.append(sum(map(stream.write, coded)))
            self.progress(sum(self.stored[number].nbytes for number in batch))
            self.model.release()
        index = self._index([self._write_bones(stream, piece) for piece in skeleton(self.model, self.layout)])
        last = _code_bytes(index.to_bytes())
        stream.write(last)
        stream.seek(0)
        stream.write(self.header.to_bytes(8, "little") + index.header_text(len(last)))

    def _reserved(self) -> int:
        """Room for the header, whatever the lengths turn out to be: a payload is hardly longer than its tensor."""
        entries = [(escaped(tensor.name), tensor.nbytes + tensor.nbytes // 1000 + 1000) for tensor in self.stored]
        count = -(-self.layout.skeleton_bytes // PIECE)
        entries += [(skeleton_key(number), PIECE + PIECE // 1000 + 1000) for number in range(count)]
        length = -(-len(header_text([*entries, (INDEX, _LENGTH)])) // 8) * 8
        if length > MAX_HEADER:
            raise ElfError(f"the names of its tensors take {length} bytes, more than a safetensors header may have")
        return length

    def _parts(self, data: Bytes) -> Iterator[Bytes]:
        """A mapped range in parts, each let go when the next is asked for."""
        for start in range(0, data.size, STRIDE):
            yield data[start : start + STRIDE]
            self.model.release()

    def _data(self, number: int) -> Bytes:
        item = self.layout.ranges[number]
        return self.model.part(item.part)[item.start : item.stop]

    def _batches(self) -> Iterator[list[int]]:
        """Runs of ranges: small ones together, a large one alone."""
        batch: list[int] = []
        sizes = [item.size for item in self.layout.ranges]
        for number, size in enumerate(sizes):
            total = sum(sizes[other] for other in batch)
            if batch and (total + size > BATCH or max(size, sizes[batch[-1]]) > LARGE):
                yield batch
                batch = []
            batch.append(number)
        if batch:
            yield batch

    def _kind(self, number: int) -> tuple[object, ...]:
        """What tensors must have in common to be coded to the same bytes, beside their own."""
        decision = self.decisions[number]
        return self.stored[number].dtype, self.layout.ranges[number].size, decision.bound, decision.forced

    def _is_new(self, number: int, *, alone: bool) -> bool:
        """Whether no earlier tensor has the same bytes; if one has, its payload is this one's too."""
        item = self.layout.ranges[number]
        self._hash(item.part, item.stop)
        if alone:
            return True
        digest = xxhash.xxh3_128()
        for part in self._parts(self._data(number)):
            digest.update(part.data)
        first = self.first.setdefault((self._kind(number), digest.digest()), number)
        if first == number or not self._equal(first, number):
            return True
        self.same[number] = first
        return False

    def _equal(self, one: int, other: int) -> bool:
        """Whether two ranges have the same bytes: a digest alone can be forged."""
        pairs = zip(self._parts(self._data(one)), self._parts(self._data(other)), strict=True)
        return all(np.array_equal(mine, yours) for mine, yours in pairs)

    def _hash(self, part: int, stop: int) -> None:
        """Digest a part up to `stop`."""
        for data in self._parts(self.model.part(part)[self.hashed[part] : stop]):
            self.hashes[part].update(data.data)
        self.hashed[part] = stop

    def _coded(self, numbers: list[int]) -> Iterator[Iterator[bytes]]:
        """The payloads of some ranges, each in pieces."""
        if len(numbers) == 1:
            yield self._pieces(numbers[0], self.jobs)
        else:
            for coded in in_order(lambda number: list(self._pieces(number, 1)), numbers, self.jobs):
                yield iter(coded)

    def _pieces(self, number: int, threads: int) -> Iterator[bytes]:
        tensor = self.stored[number]
        values = passing(typed(self._data(number), tensor.dtype), self.model.release)
        decision = self.decisions[number] = after(self.decisions[number], values, tensor.dtype)
        codecs = candidates(values, tensor.dtype, decision.bound)
        yield from pieces(values, tensor.dtype, tensor.shape, codecs, threads=threads)

    def _write_bones(self, stream: BinaryIO, piece: bytes) -> int:
        """Write a piece of the skeleton and return its coded length."""
        self.progress(len(piece))
        self.model.release()
        return stream.write(_code_bytes(piece))

    def _index(self, bones: list[int]) -> Index:
        for part in range(len(self.model.parts)):
            self._hash(part, self.layout.sizes[part])
        numbers = {tensor.name: number for number, tensor in enumerate(self.stored)}
        rows = [self._row(tensor, numbers.get(tensor.name)) for tensor in self.model.tensors]
        digests = tuple(digest.hexdigest() for digest in self.hashes)
        return Index(self.model.format, self.header, self.layout.names, self.layout.sizes, digests,
                     tuple(self.lengths), tuple(bones), PIECE, tuple(rows))  # fmt: skip

    def _row(self, tensor: Tensor, number: int | None) -> Row:
        stored = self.model.as_stored(tensor)
        placed = replace(tensor, offset=stored.offset, axes=stored.axes)
        if number is None:
            return Row(placed, None, _why_kept(placed))
        first = self.same.get(number, number)
        return Row(placed, self.payload_of[first], self.decisions[first].reason)


def _why_kept(tensor: Tensor) -> str:
    if tensor.alias_of is not None:
        return "it is stored in the bytes of another tensor"
    return "it is not stored plain" if tensor.offset is None else "it is small"


def _code_bytes(data: bytes) -> bytes:
    """Bytes that are no tensor, as one."""
    codecs = [*LOSSLESS, Zstd(level=19)] if len(data) <= _SHORT else LOSSLESS
    return choose(np.frombuffer(data, np.uint8), "u8", (len(data),), codecs)
