"""HDF5, and Keras 3's archive around it: contiguous datasets are byte ranges, others are decoded by h5py.

Nothing outside the file is ever read: external links and storage, virtual datasets and filter plugins are refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from elf.errors import ElfError
from elf.formats.base import Bytes, ModelFile
from elf.formats.found import FREE_BYTES, MAX_EXPANSION, MAX_NAME, MAX_TENSORS, Found, quoted
from elf.formats.zips import Window, is_zip, members
from elf.tensor import DTYPES

MAGIC = b"\x89HDF\r\n\x1a\n"
KERAS = "model.weights.h5"

# The filters that come with HDF5 itself, and lzf, which comes with h5py. Any other would be a plugin.
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
_PLUGINS = Lock()


def matches(path: Path, data: Bytes) -> bool:
    """By the magic number, at 0 or behind a user block of 512, 1024, ... bytes, or an archive with Keras' weights."""
    del path
    if is_zip(data):
        return KERAS in members(data)
    head = data[: len(MAGIC)].tobytes()
    return (len(head) > 1 and MAGIC.startswith(head)) or _after_user_block(data)


def _after_user_block(data: Bytes) -> bool:
    at = 512
    while at + len(MAGIC) <= data.size:
        if data[at : at + len(MAGIC)].tobytes() == MAGIC:
            return True
        at *= 2
    return False


def read(path: Path, data: Bytes) -> ModelFile:
    """Open an HDF5 file or a Keras archive; a dataset of numbers is a tensor named by its path."""
    if not is_zip(data):
        return ModelFile(path, data, "hdf5", _Reader(data, 0).found())
    member = members(data)[KERAS]
    if not member.plain:
        raise ElfError(f"{KERAS} is compressed, which Keras never does: unpack the archive and zip it with -0")
    reader = _Reader(data[member.start : member.start + member.length], member.start)
    return ModelFile(path, data, "keras", reader.found())


@contextmanager
def _opened(data: Bytes) -> Iterator[tuple[ModuleType, Any]]:
    """h5py and the open file, with HDF5's search path for plugins empty in the meantime."""
    import h5py  # slow, and needed for these files only

    with _PLUGINS:
        paths = [h5py.h5pl.get(index) for index in range(h5py.h5pl.size())]
        for _ in paths:
            h5py.h5pl.remove(0)
        try:
            with h5py.File(io.BufferedReader(Window(data)), "r") as file:
                yield h5py, file
        finally:
            for search in paths:
                h5py.h5pl.append(search)


class _Reader:
    """A walk over the groups of an HDF5 file that lies at `base` of the part it belongs to."""

    def __init__(self, data: Bytes, base: int) -> None:
        self.data = data
        self.base = base
        self.tensors: list[Found] = []
        self.seen: dict[Any, Found | None] = {}

    def found(self) -> list[Found]:
        with _opened(self.data) as (h5py, file):
            root = h5py.h5o.open(file.id, b"/")
            self.seen[h5py.h5o.get_info(root).addr] = None
            pending: list[tuple[str, Any]] = [("", root)]
            while pending:
                name, group = pending.pop()
                pending += self._children(h5py, name, group)
        return self.tensors

    def _children(self, h5py: ModuleType, name: str, group: Any) -> list[tuple[str, Any]]:
        """The groups in a group that were not seen before; its datasets are taken on the way."""
        groups = []
        for key in sorted(group):
            child = f"{name}/{key.decode('utf-8', 'surrogateescape')}".lstrip("/")
            if len(child) > MAX_NAME:
                raise ElfError(f"{quoted(child)} has a path of more than {MAX_NAME} characters")
            kind = group.links.get_info(key).type
            if kind == h5py.h5l.TYPE_SOFT:
                continue  # what it points to is in the file under a name of its own
            if kind != h5py.h5l.TYPE_HARD:
                raise ElfError(f"{quoted(child)} is a link to another file: refused")
            item = h5py.h5o.open(group, key)
            if isinstance(item, h5py.h5d.DatasetID):
                self._dataset(h5py, child, item)
            elif isinstance(item, h5py.h5g.GroupID):
                address = h5py.h5o.get_info(item).addr
                if address not in self.seen:
                    self.seen[address] = None
                    groups.append((child, item))
            if len(self.seen) + len(self.tensors) > 2 * MAX_TENSORS:
                raise ElfError(f"there are more than {MAX_TENSORS} objects in it")
        return groups

    def _dataset(self, h5py: ModuleType, name: str, item: Any) -> None:
        layout = item.get_create_plist()
        _refuse_foreign(h5py, name, layout)
        kind = _element(h5py, item)
        if kind is None:
            return
        dtype, swapped = kind
        _refuse_unearned(h5py, name, layout, DTYPES[dtype].block_bytes, item.get_storage_size())
        found = Found(name, dtype, tuple(int(size) for size in item.shape), None, item.get_storage_size())
        if layout.get_layout() == h5py.h5d.CONTIGUOUS and item.get_offset() is not None:
            found.start = self.base + item.get_offset()
        if found.start is None or swapped:
            found.decode = partial(_decode, self.data, name, dtype)
        first = self.seen.setdefault(h5py.h5o.get_info(item).addr, found)
        found.same_as = None if first is found else first
        self.tensors.append(found)


def _decode(data: Bytes, name: str, dtype: str) -> Bytes:
    """A dataset as HDF5 itself reads it."""
    with _opened(data) as (h5py, file):
        item = h5py.h5o.open(file.id, name.encode("utf-8", "surrogateescape"))
        array = np.empty(item.shape, DTYPES[dtype].numpy)
        if array.size:
            memory = item.get_type() if item.get_type().get_class() == h5py.h5t.OPAQUE else None
            item.read(h5py.h5s.ALL, h5py.h5s.ALL, array, memory)
        return array.reshape(-1).view(np.uint8)


def _refuse_foreign(h5py: ModuleType, name: str, layout: Any) -> None:
    if layout.get_external_count():
        raise ElfError(f"dataset {quoted(name)} is stored in another file: refused")
    if layout.get_layout() == h5py.h5d.VIRTUAL:
        raise ElfError(f"dataset {quoted(name)} is virtual, made of other files: refused")
    for index in range(layout.get_nfilters()):
        code = layout.get_filter(index)[0]
        if code not in _FILTERS:
            raise ElfError(f"dataset {quoted(name)} needs the filter plugin {code}: refused, none is ever loaded")


def _refuse_unearned(h5py: ModuleType, name: str, layout: Any, width: int, stored: int) -> None:
    """HDF5 allocates a whole chunk to read any of it."""
    if layout.get_layout() == h5py.h5d.CHUNKED:
        chunk = prod(layout.get_chunk()) * width
        if chunk > MAX_EXPANSION * stored + FREE_BYTES:
            raise ElfError(f"dataset {quoted(name)} has chunks of {chunk} bytes, but only {stored} bytes are stored")


def _element(h5py: ModuleType, item: Any) -> tuple[str, bool] | None:
    """Element type and whether its bytes are swapped; None if it is neither a number that we know nor bfloat16."""
    stored = item.get_type()
    if item.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        return None
    if stored.get_class() == h5py.h5t.OPAQUE:
        bf16 = stored.get_size() == 2 and _attribute(h5py, item, b"dtype") == "bfloat16"  # as Keras 3 writes it
        return ("bf16", False) if bf16 else None
    for name, kind in DTYPES.items():
        if kind.numpy is None or name.startswith(("f8", "bf")):
            continue
        for numpy in (kind.numpy, kind.numpy.newbyteorder(">")):
            if stored.equal(h5py.h5t.py_create(numpy, logical=True)):
                return name, numpy.byteorder == ">"
    return None


def _attribute(h5py: ModuleType, item: Any, name: bytes) -> str:
    value = h5py.Dataset(item).attrs.get(name.decode()) if h5py.h5a.exists(item, name) else ""
    return value.decode() if isinstance(value, bytes) else str(value)
