"""A model file as its plain tensors and its skeleton, which is every byte that is in none of them.

Headers, graphs, padding, compressed tensors and everything of a file of an unknown format are skeleton. A file has
several parts when its tensors lie in data files beside it (ONNX); its skeleton is that of all parts, one after another.
Cutting reads mapped memory and joining writes one piece after another, so that neither needs memory for a whole file.
"""

from __future__ import annotations

import filecmp
import io
import zipfile
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from elf.errors import ElfError
from elf.files import replacing
from elf.formats import ModelFile
from elf.formats.base import Bytes, map_file
from elf.formats.found import quoted
from elf.formats.zips import Window, is_zip, members
from elf.tensor import Tensor

SMALL = 1024
"""Tensors below this many bytes stay in the skeleton: an entry of their own costs more than coding them saves."""

PIECE = 1 << 24
"""Bytes of a piece of skeleton unless asked otherwise."""

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes `start` to `stop` of part `part`."""

    part: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Segment(Range):
    """A run of bytes of a part: range `number` of the layout, or skeleton from byte `at` of the skeleton on."""

    number: int | None
    at: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of a model file lies.

    `names` and `sizes` are those of the parts: the file's own name, then paths relative to its folder, with slashes.
    `ranges` are in order of part and place and disjoint. Raises ElfError when they are not, or when a name leaves the
    folder: a layout may come from a file that is not to be trusted.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    ranges: tuple[Range, ...]

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.sizes) or min(self.sizes) < 0:
            raise ElfError("damaged layout: names and sizes of parts do not belong together")
        for one, other in pairwise(self.ranges):
            if (other.part, other.start) < (one.part, one.stop):
                raise ElfError(f"damaged layout: ranges overlap at byte {other.start} of part {other.part}")
        for item in self.ranges:
            if not (0 <= item.part < len(self.sizes) and 0 <= item.start < item.stop <= self.sizes[item.part]):
                raise ElfError(f"damaged layout: bytes {item.start} to {item.stop} are not in part {item.part}")
        for name in self.names[1:]:
            if not name or set(name) & set("\0\\:") or name != str(PurePosixPath(name)) or _leaves(name):
                raise ElfError(f"damaged layout: part {quoted(name)} is no path within the model's folder")
        if len(set(self.names)) < len(self.names):
            raise ElfError("damaged layout: two parts have the same name")

    @property
    def skeleton_bytes(self) -> int:
        """Bytes of the skeleton."""
        return sum(self.sizes) - sum(item.size for item in self.ranges)

    def segments(self) -> list[Segment]:
        """All bytes of all parts in order, none empty."""
        made, at, number = [], 0, 0
        for part, size in enumerate(self.sizes):
            position = 0
            while number < len(self.ranges) and self.ranges[number].part == part:
                item = self.ranges[number]
                if item.start > position:
                    made.append(Segment(part, position, item.start, None, at))
                    at += item.start - position
                made.append(Segment(part, item.start, item.stop, number, 0))
                position = item.stop
                number += 1
            if size > position:
                made.append(Segment(part, position, size, None, at))
                at += size - position
        return made


def _leaves(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or name == "."


def cut(model: ModelFile, *, small: int = SMALL) -> tuple[Layout, list[Tensor]]:
    """Where the ranges of `model` lie, and for each the tensor as it is stored (`ModelFile.as_stored`).

    Ranges are the tensors of at least `small` bytes that are no alias and are stored plain, in whatever order of axes.
    The bytes of range i are `model.part(range.part)[range.start : range.stop]`.
    """
    stored = [model.as_stored(tensor) for tensor in model.tensors if tensor.alias_of is None]
    plain = [(item, item.offset) for item in stored if item.offset is not None and item.nbytes >= max(1, small)]
    placed = sorted(plain, key=lambda pair: (pair[0].part, pair[1]))
    ranges = tuple(Range(item.part, at, at + item.nbytes) for item, at in placed)
    sizes = tuple(int(model.part(index).size) for index in range(len(model.parts)))
    names = (model.path.name, *(part.relative_to(model.path.parent).as_posix() for part in model.parts[1:]))
    return Layout(names, sizes, ranges), [item for item, _ in placed]


def skeleton(model: ModelFile, layout: Layout, *, piece: int = PIECE) -> Iterator[bytes]:
    """The skeleton in pieces of `piece` bytes; the last one may be shorter."""
    kept = bytearray()
    for segment in layout.segments():
        if segment.number is not None:
            continue
        data = model.part(segment.part)
        start = segment.start
        while start < segment.stop:
            stop = min(segment.stop, start + piece - len(kept))
            kept += data[start:stop].data
            start = stop
            if len(kept) == piece:
                yield bytes(kept)
                kept.clear()
    if kept:
        yield bytes(kept)


def join(target: Path, layout: Layout, pieces: Iterable[Buffer], *, changed: Sequence[Range] = ()) -> None:
    """Write the model file `target`, and its other parts beside it, from all bytes of all parts in order.

    `pieces` may have any lengths (see `interleave`, `Layout.segments`). `changed` are the ranges that do not hold their
    original bytes: checksums of the container over them are computed anew. All files appear at once, or none of them. A
    data file that is there already with other content is never replaced.

    Raises ElfError when the bytes are more or fewer than the layout has, or a file cannot be written.
    """
    others = [_beside(target, name) for name in layout.names[1:]]
    with replacing(target, *others) as streams:
        _write(streams, layout.sizes, pieces)
        for part, stream in enumerate(streams):
            reseal(stream, [item for item in changed if item.part == part])
        for path, stream in zip(others, streams[1:], strict=True):
            stream.flush()
            if path.exists() and not filecmp.cmp(stream.name, path, shallow=False):
                raise ElfError(f"{path}: is there already with other content: move it away, or restore elsewhere")


def interleave(layout: Layout, skeleton: Iterable[Buffer], ranges: Iterable[Iterable[Buffer]]) -> Iterator[Buffer]:
    """All bytes in order, from the pieces of the skeleton and from those of each range in order.

    Raises ElfError when one of them has another length than the layout says.
    """
    rest = Pieces(skeleton)
    values = iter(ranges)
    for segment in layout.segments():
        source = rest if segment.number is None else Pieces(next(values, ()))
        yield from source.take(segment.size)
        if segment.number is not None:
            source.end()
    rest.end()


class Pieces:
    """Byte strings that are taken in other lengths than they come in."""

    def __init__(self, pieces: Iterable[Buffer]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def _next(self) -> bool:
        """Whether there is something left."""
        while not len(self._left):
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._left = memoryview(piece)
        return True

    def take(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes, not copied. Raises ElfError when there are fewer."""
        while size:
            if not self._next():
                raise ElfError(f"{size} bytes are missing to put the file together")
            piece, self._left = self._left[:size], self._left[size:]
            size -= len(piece)
            yield piece

    def end(self) -> None:
        """Raises ElfError when something is left."""
        if self._next():
            raise ElfError("there are more bytes than the file has")


def _write(streams: Sequence[BinaryIO], sizes: Sequence[int], pieces: Iterable[Buffer]) -> None:
    rest = Pieces(pieces)
    for stream, size in zip(streams, sizes, strict=True):
        for piece in rest.take(size):
            stream.write(piece)
    rest.end()


def _beside(target: Path, name: str) -> Path:
    """Where a further part goes; no link may lead out of the folder."""
    path = target.parent / name
    if path == target:
        raise ElfError(f"{target}: the model's data has this name: choose another one")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        inside = path.parent.resolve().is_relative_to(target.parent.resolve())
    except OSError as error:
        raise ElfError(f"{path.parent}: cannot be made: {error.strerror or error}") from error
    if not inside:
        raise ElfError(f"{path.parent}: is a link that leaves the folder: refused")
    return path


@dataclass(frozen=True, slots=True)
class Seal:
    """A CRC-32 over bytes `start` to `stop`, which is kept at each of `places` (four bytes, little-endian)."""

    start: int
    stop: int
    places: tuple[int, ...]


def seals(data: Bytes, changed: Sequence[Range]) -> list[Seal]:
    """The checksums that a zip archive keeps over bytes in `changed`; other formats have none over plain tensors.

    Raises ElfError when the archive is damaged, its members overlap, or a checksum lies in `changed`.
    """
    if not changed or not is_zip(data):
        return []
    within = _Spans(changed)
    found = [seal for seal in _seals(data) if within.touch(seal.start, seal.stop)]
    if sum(seal.stop - seal.start for seal in found) > data.size:
        raise ElfError("members of the zip archive overlap")
    if any(within.touch(place, place + 4) for seal in found for place in seal.places):
        raise ElfError("a checksum of the zip archive lies in a tensor: only lossless coding can keep this file")
    return found


def _seals(data: Bytes) -> Iterator[Seal]:
    """One for each member: where it lies, and where its checksum is kept."""
    found = members(data)
    with zipfile.ZipFile(io.BufferedReader(Window(data))) as archive:
        infos, entry = archive.infolist(), archive.start_dir
    for info in infos:
        if data[entry : entry + 4].tobytes() != b"PK\1\2":
            raise ElfError("the zip directory cannot be read: an entry is not where it should be")
        member = found[info.filename]
        stop = member.start + member.length
        signed = data[stop : stop + 4].tobytes() == b"PK\7\x08"
        places = [entry + 16, info.header_offset + 14]
        if int.from_bytes(data[info.header_offset + 6 : info.header_offset + 8].tobytes(), "little") & 8:
            places.append(stop + 4 if signed else stop)
        # A local header before a data descriptor may leave the checksum out.
        old = info.CRC.to_bytes(4, "little")
        yield Seal(member.start, stop, tuple(at for at in places if data[at : at + 4].tobytes() == old))
        names = data[entry + 28 : entry + 34].tobytes()
        entry += 46 + sum(int.from_bytes(names[at : at + 2], "little") for at in (0, 2, 4))


class _Spans:
    """Disjoint ranges of one part, asked whether they touch others."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._starts = sorted(item.start for item in ranges)
        self._stops = sorted(item.stop for item in ranges)

    def touch(self, start: int, stop: int) -> bool:
        return bisect_left(self._starts, stop) > bisect_right(self._stops, start)


def reseal(stream: BinaryIO, changed: Sequence[Range]) -> None:
    """Make the checksums of a written file right again, where its format has any."""
    if not changed:
        return
    stream.flush()
    data = map_file(Path(stream.name))
    for seal in seals(data, changed):
        crc = zlib.crc32(data[seal.start : seal.stop].data).to_bytes(4, "little")
        for place in seal.places:
            stream.seek(place)
            stream.write(crc)
