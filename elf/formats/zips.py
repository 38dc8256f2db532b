"""ZIP archives as byte ranges: where each member lies, and what is in it without trusting its declared size."""

from __future__ import annotations

import errno
import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from elf.errors import ElfError
from elf.formats.base import Bytes
from elf.formats.found import MAX_TENSORS, quoted

MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: `length` bytes at `start`, deflated unless `plain`.

    `size` and `crc` are what it claims to hold.
    """

    name: str
    start: int
    length: int
    size: int
    plain: bool
    crc: int = 0


def is_zip(data: Bytes) -> bool:
    """Whether the file starts as an archive, or would if it were not cut off."""
    head = data[:4].tobytes()
    return len(head) > 1 and MAGIC.startswith(head)


def members(data: Bytes) -> dict[str, Member]:
    """The members of an archive by name, in the directory's order. Raises ElfError for a damaged or encrypted one."""
    try:
        with zipfile.ZipFile(io.BufferedReader(Window(data))) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OverflowError, OSError) as error:
        raise ElfError(f"the zip directory cannot be read (truncated?): {error}") from error
    if len(infos) > MAX_TENSORS:
        raise ElfError(f"the zip directory names more than {MAX_TENSORS} files")
    found = {info.filename: _member(info, data) for info in infos}
    if len(found) < len(infos):
        raise ElfError("the zip directory names a file twice")
    return found


def _member(info: zipfile.ZipInfo, data: Bytes) -> Member:
    name, header = quoted(info.filename), info.header_offset
    local = data[header : header + 30].tobytes() if header >= 0 else b""
    if len(local) < 30 or not local.startswith(MAGIC):
        raise ElfError(f"zip member {name} has no header where the directory says")
    start = header + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    if start + info.compress_size > data.size:
        raise ElfError(f"zip member {name} lies outside the file")
    if info.flag_bits & 0x1:
        raise ElfError(f"zip member {name} is encrypted")
    plain = info.compress_type == zipfile.ZIP_STORED
    if not plain and info.compress_type != zipfile.ZIP_DEFLATED:
        raise ElfError(f"zip member {name} is neither stored nor deflated (method {info.compress_type})")
    if plain and info.compress_size != info.file_size:
        raise ElfError(f"zip member {name} is stored, but with two different sizes")
    return Member(info.filename, start, info.compress_size, info.file_size, plain, info.CRC)


def content(member: Member, data: Bytes, limit: int) -> Bytes:
    """The first `limit` bytes at most of a member: uint8, a view when it is plain.

    Raises ElfError when all of a deflated member comes out and it is not what its checksum is of.
    """
    raw = data[member.start : member.start + member.length]
    if member.plain:
        return raw[:limit]
    # Grows with what comes out: neither the declared size nor the limit is allocated in advance.
    whole = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw.data, limit + 1)
    if len(whole) > member.size or (member.size == len(whole) and zlib.crc32(whole) != member.crc):
        raise ElfError(f"zip member {quoted(member.name)} is damaged: wrong size or checksum")
    return np.frombuffer(whole, np.uint8)[:limit]


class Window(io.RawIOBase):
    """Mapped bytes as a file that can be read and sought."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes before the next one to be read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; positions beyond the end are allowed, before the start they raise OSError, as files do."""
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._data.size}[whence]
        if at < 0:
            raise OSError(errno.EINVAL, "seek to before the start of the file")
        self._at = at
        return at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` as far as bytes are left and say how many there were."""
        chunk = self._data[self._at : self._at + len(buffer)]
        buffer[: chunk.size] = chunk.data
        self._at += chunk.size
        return int(chunk.size)
