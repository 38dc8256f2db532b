"""Objects: pieces of files, coded, each under the key of its content.

    magic    b"elo" and the object version, 1
    flags    1: the object decodes to the very bytes that its key names; 2: it is coded against a base
    base     its key, 32 bytes, and how many bytes the best payload without a base takes (varint)
    content  sha256 of the decoded bytes, 32 bytes, when they are not the very bytes
    check    xxh3-64 of the key and everything above (u64, little-endian)
    payload  see `elf/payload.py`; always 1-D: dtype and shape belong to the manifest
    check    xxh3-64 of the payload (u64, little-endian)

A key is the sha256 of the piece's *original* bytes, so that what is there already is found before anything is coded,
and so that equal bytes are stored once whatever they mean; a cryptographic hash, since whoever can make two pieces with
the same key could have one restored as the other. Values that were rounded have a key of another hash over the sha256
of the original bytes, the dtype and the step of rounding, which together say what they are rounded to.

How deep a chain of bases is follows from walking it. Writing a depth down would not help: it is wrong once a lost base
has been added again.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import xxhash

from elf.codecs.base import Values
from elf.codecs.varint import Reader, varint
from elf.errors import ElfError
from elf.formats.base import Bytes, map_file
from elf.payload import Payload
from elf.store.disk import explained, read_whole, sync, write_new
from elf.store.places import Places

PIECE = 32 << 20
"""Original bytes of a piece at most: it bounds the memory that a tensor of any size takes."""

DEPTH = 4
"""An object is written with at most so many bases behind it."""

VERSION = 1
MAGIC = b"elo"
LARGEST = PIECE + (1 << 20)
"""Bytes of an object file at most: nothing is stored larger than it is, but for heads and indices."""

_LONGEST_CHAIN = 4 * DEPTH
_HEAD = 128
_EXACT, _BASE = 1, 2


def exact_key(data: Bytes) -> str:
    """The key of a piece that is kept bit for bit."""
    return hashlib.sha256(data.data).hexdigest()


def rounded_key(exact: str, dtype: str, step: int) -> str:
    """The key of the piece of key `exact` with its values, of type `dtype`, rounded to multiples of 2^step."""
    what = f"{exact} {dtype} {step}".encode()
    return hashlib.blake2b(what, digest_size=32, person=b"elves rounded").hexdigest()


@dataclass(frozen=True)
class Header:
    """What an object says about itself. `content` is the sha256 of what it decodes to."""

    exact: bool
    content: str
    base: str | None = None
    without_base: int = 0

    def pack(self, key: str) -> bytes:
        """The bytes before the payload."""
        flags = _EXACT * self.exact | _BASE * (self.base is not None)
        base = b"" if self.base is None else bytes.fromhex(self.base) + varint(self.without_base)
        data = b"".join([MAGIC, bytes([VERSION, flags]), base, b"" if self.exact else bytes.fromhex(self.content)])
        return data + _check(bytes.fromhex(key), data)


@dataclass(frozen=True)
class Opened:
    """An object of which no values have been decoded yet."""

    header: Header
    payload: Payload
    size: int
    """Bytes of the file."""


class Objects:
    """The objects of a store."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def header(self, key: str) -> Header:
        """What the object says about itself. Raises ElfError when it is missing or its head is damaged."""
        path = self.places.object(key)
        with explained(path, "cannot be read"), path.open("rb") as stream:
            head = stream.read(_HEAD)
        return _named(path, key, head)[0]

    def open(self, key: str) -> Opened:
        """The object, with all its stored bytes checked. Raises ElfError when it is missing or damaged."""
        path = self.places.object(key)
        data = memoryview(read_whole(path, LARGEST))
        start = _named(path, key, data)[1]
        if len(data) < start + 8 or _check(data[start:-8]) != data[-8:]:
            raise ElfError(f"{path}: damaged: the payload does not match its checksum")
        return _opened(path, key, data)

    def peek(self, key: str) -> Opened:
        """The object, with only its heads read and checked. Raises ElfError when it is missing or they are damaged."""
        path = self.places.object(key)
        return _opened(path, key, map_file(path).data)

    def chain(self, key: str) -> list[str]:
        """The key, its base, the base's base and so on, each with all its stored bytes checked.

        Raises ElfError when one is missing or damaged, or the chain is longer than any that was written.
        """
        keys = [key]
        while (base := self.open(keys[-1]).header.base) is not None:
            if len(keys) > _LONGEST_CHAIN:
                raise ElfError(f"{self.places.object(key)}: damaged: its chain of bases does not end")
            keys.append(base)
        return keys

    def whole(self, key: str, nbytes: int) -> bool:
        """Whether the object is there, undamaged and for `nbytes` bytes, and so is everything behind it."""
        if not self.places.object(key).is_file():
            return False
        try:
            return self.open(self.chain(key)[0]).payload.head.nbytes == nbytes
        except ElfError:
            return False

    def read(self, key: str, *, threads: int = 1) -> Bytes:
        """The decoded bytes: uint8, shape (n,), n at most PIECE. Raises ElfError as `chain`, or if it does not decode.

        Two pieces are in memory at a time, however long the chain is.
        """
        values: Values | None = None
        for link in reversed(self.chain(key)):
            payload = self.open(link).payload
            try:
                near = None if values is None else viewed(values, payload.head.numpy)
                values = payload.decode(relative=near, threads=threads).view(np.uint8)
            except ElfError as error:
                raise ElfError(f"{self.places.object(link)}: damaged: {error}") from error
        assert values is not None  # a chain has at least one link
        return values

    def base_for(self, key: str) -> str:
        """The object itself, or the first of its bases that may have one more in front. Raises ElfError as `chain`."""
        chain = self.chain(key)
        return chain[max(0, len(chain) - DEPTH)]


def viewed(data: Bytes, dtype: np.dtype[np.generic]) -> Values:
    """The same bytes as values. Raises ElfError when they are no whole number of them."""
    if data.size % dtype.itemsize:
        raise ElfError(f"{data.size} bytes are no whole number of {dtype}")
    return data.view(dtype)


@dataclass
class Staged:
    """Objects on their way into a store: written, but under names of their own until `publish`."""

    places: Places
    waiting: dict[str, tuple[Path, int]] = field(default_factory=dict)
    """By key: where it is until then, and how many bytes it decodes to."""
    nbytes: int = 0
    """Bytes of all files that were published."""
    _lock: Lock = field(default_factory=Lock)

    def add(self, key: str, header: Header, payload: bytes, nbytes: int) -> None:
        """Write an object that decodes to `nbytes` bytes. Raises ElfError when that fails."""
        folder = self.places.object(key).parent
        with explained(folder):
            folder.mkdir(exist_ok=True)
        partial = folder / f".{key}.{secrets.token_hex(8)}.tmp"
        write_new(partial, [header.pack(key), payload, _check(payload)])
        with self._lock:
            self.waiting[key] = partial, nbytes

    def publish(self, objects: Objects) -> None:
        """Have what was written on the disk, and then under its name.

        What another writer has published in the meantime stays: something may lie on it already.
        """
        sync(partial for partial, _ in self.waiting.values())
        folders = set()
        with self.places.publishing():
            for key, (partial, nbytes) in self.waiting.items():
                path = self.places.object(key)
                with explained(path):
                    if objects.whole(key, nbytes):
                        partial.unlink()
                        continue
                    self.nbytes += partial.stat().st_size
                    partial.replace(path)
                folders.add(path.parent)
        sync([*folders, self.places.objects])
        self.waiting.clear()

    def discard(self) -> None:
        """Remove what was written and not published."""
        for partial, _ in self.waiting.values():
            with explained(partial):
                partial.unlink(missing_ok=True)
        self.waiting.clear()


def _opened(path: Path, key: str, data: memoryview) -> Opened:
    header, start = _named(path, key, data)
    try:
        payload = Payload(data[start:-8])
        if payload.head.nbytes > PIECE:
            raise ElfError(f"it claims {payload.head.nbytes} bytes")
    except ElfError as error:
        raise ElfError(f"{path}: damaged: {error}") from error
    return Opened(header, payload, len(data))


def _named(path: Path, key: str, data: bytes | memoryview) -> tuple[Header, int]:
    try:
        return _unpack(key, data)
    except ElfError as error:
        raise ElfError(f"{path}: damaged: {error}") from error


def _unpack(key: str, data: bytes | memoryview) -> tuple[Header, int]:
    """The header, and where the payload starts."""
    reader = Reader(data)
    if reader.take(3) != MAGIC:
        raise ElfError("this is not an object of a store")
    version, flags = reader.take(2)
    if version != VERSION:
        raise ElfError(f"it has object version {version}; this library reads version {VERSION}")
    base = bytes(reader.take(32)).hex() if flags & _BASE else None
    without = 0 if base is None else reader.varint()
    content = key if flags & _EXACT else bytes(reader.take(32)).hex()
    end = reader.position
    if flags > (_EXACT | _BASE) or reader.take(8) != _check(bytes.fromhex(key), data[:end]):
        raise ElfError("the header does not match its checksum")
    return Header(bool(flags & _EXACT), content, base, without), reader.position


def _check(*pieces: bytes | memoryview) -> bytes:
    state = xxhash.xxh3_64()
    for piece in pieces:
        state.update(piece)
    return state.intdigest().to_bytes(8, "little")
