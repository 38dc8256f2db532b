"""PyTorch checkpoints: zip archives, TorchScript archives, and the pickles that torch.save wrote before 1.6.

The layouts are those of torch/serialization.py and caffe2/serialize/inline_container.h (github.com/pytorch/pytorch).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elf.errors import ElfError
from elf.formats.base import Bytes, ModelFile
from elf.formats.found import Found, quoted
from elf.formats.pickles import Global, Persistent, load
from elf.formats.rebuild import STORAGES, Storage, tensors_in
from elf.formats.zips import Member, content, is_zip, members
from elf.tensor import DTYPES

_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # 0x1950a86a20f9469cfc6c, pickled
_PROTOCOL = 1001


def matches(path: Path, data: Bytes) -> bool:
    """An archive with NAME/data.pkl in it, or the magic number of the old format."""
    del path
    if is_zip(data):
        return _root(members(data)) is not None
    head = data[:32].tobytes()
    return (len(head) > 1 and _MAGIC.startswith(head)) or _MAGIC[4:-1] in head  # other protocols frame the number


def read(path: Path, data: Bytes) -> ModelFile:
    """Open a checkpoint. Objects of other classes are searched for tensors as the plain data they were stored as."""
    if not is_zip(data):
        return ModelFile(path, data, "pytorch-legacy", _legacy(data))
    archive = members(data)
    root = _root(archive)
    scripted = f"{root}/constants.pkl" in archive
    order = archive.get(f"{root}/byteorder")
    big_endian = order is not None and content(order, data, 3).tobytes() == b"big"
    found = []
    for folder in ("data", "constants") if scripted else ("data",):
        pickle = archive[f"{root}/{folder}.pkl"]
        storages = _Zipped(archive, f"{root}/{folder}", data, big_endian)
        found += _in_pickle(pickle, storages, data, "" if folder == "data" else folder)
    return ModelFile(path, data, "torchscript" if scripted else "pytorch", found)


def _root(archive: dict[str, Member]) -> str | None:
    """The archive's one folder."""
    names = [name for name in archive if name.endswith("/data.pkl") and name.count("/") == 1]
    return names[0].removesuffix("/data.pkl") if names else None


def _in_pickle(member: Member, storages: _Zipped, data: Bytes, prefix: str) -> list[Found]:
    if not member.plain:
        raise ElfError(f"{quoted(member.name)} is compressed, which PyTorch never does: unpack it and zip with -0")
    pickle = load(data.data[: member.start + member.length], member.start)
    return tensors_in(pickle.root, storages.resolve, data, prefix)


def _reference(reference: Persistent) -> tuple[str, str, int, object]:
    """Element type, key and number of elements of a stored storage, and what is told of it as a view."""
    key = reference.key
    if not isinstance(key, tuple) or len(key) < 5 or key[0] != "storage" or not isinstance(key[1], Global):
        raise ElfError("a tensor refers to something that is no storage")
    _, kind, name, _, count, *view = key
    if kind.name not in STORAGES:
        raise ElfError(f"the storage class {quoted(kind.name)} is unknown")
    if not isinstance(name, str | int):
        raise ElfError("a storage has a key that is neither text nor a number")
    if type(count) is not int or not 0 <= count < 1 << 63:
        raise ElfError(f"storage {quoted(str(name))} has an impossible number of elements")
    return STORAGES[kind.name], str(name), count, view[0] if view else None


class _Zipped:
    """The storages of an archive: a file each."""

    def __init__(self, archive: dict[str, Member], folder: str, data: Bytes, big_endian: bool) -> None:
        self.archive = archive
        self.folder = folder
        self.data = data
        self.big_endian = big_endian

    def resolve(self, reference: Persistent) -> Storage:
        dtype, key, count, _ = _reference(reference)
        member = self.archive.get(f"{self.folder}/{key}")
        size = DTYPES[dtype].nbytes((count,))
        if member is None:
            raise ElfError(f"storage {quoted(key)} is missing")
        if member.size < size:
            raise ElfError(f"storage {quoted(key)} holds {member.size} bytes, it claims {size}")

        def load() -> Bytes:
            return content(member, self.data, size)

        length = size if member.plain else member.length
        return Storage(dtype, member.start, length, load, plain=member.plain, big_endian=self.big_endian)


def _legacy(data: Bytes) -> list[Found]:
    """Five pickles (magic number, protocol, system, object, keys of the storages), then the storages in that order."""
    view, at, values = data.data, 0, []
    persistents: Sequence[Persistent] = ()
    for _ in range(5):
        pickle = load(view, at)
        at = pickle.stop
        persistents = persistents or pickle.persistents
        values.append(pickle.root)
    _, protocol, _, root, keys = values
    if protocol != _PROTOCOL:
        raise ElfError(f"the protocol is not {_PROTOCOL}")
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise ElfError("the list of storages is none")
    storages = _Stream(data, at, [str(key) for key in keys], persistents)
    return tensors_in(root, storages.resolve, data)


class _Stream:
    """The storages of the old format, one after another: a count of 8 bytes and the elements, little-endian."""

    def __init__(self, data: Bytes, at: int, keys: list[str], persistents: Sequence[Persistent]) -> None:
        self.data = data
        self.storages: dict[str, Storage] = {}
        dtypes = {}
        for reference in persistents:
            if isinstance(reference.key, tuple) and reference.key[:1] == ("storage",):
                dtype, key, *_ = _reference(reference)
                dtypes[key] = dtype
        for key in keys:
            if key not in dtypes:
                raise ElfError(f"storage {quoted(key)} belongs to nothing")
            at = self._add(key, dtypes[key], at)

    def _add(self, key: str, dtype: str, at: int) -> int:
        count = int.from_bytes(self.data[at : at + 8].tobytes(), "little", signed=True)
        start, length = at + 8, DTYPES[dtype].nbytes((max(count, 0),))
        if count < 0 or start + length > self.data.size:
            raise ElfError(f"truncated: storage {quoted(key)} claims {count} elements of {dtype}")
        self.storages[key] = _in_stream(dtype, self.data, start, length)
        return start + length

    def resolve(self, reference: Persistent) -> Storage:
        dtype, key, _, view = _reference(reference)
        if key not in self.storages:
            raise ElfError(f"storage {quoted(key)} is missing")
        whole = self.storages[key]
        if view is None:
            return whole
        if not isinstance(view, tuple) or len(view) != 3 or not all(type(n) is int and n >= 0 for n in view[1:]):
            raise ElfError(f"storage {quoted(key)} has an impossible view")
        width = DTYPES[dtype].nbytes((1,))
        first, length = view[1] * width, view[2] * width
        if first + length > whole.length:
            raise ElfError(f"a view of storage {quoted(key)} reaches beyond it")
        return _in_stream(dtype, self.data, whole.start + first, length)


def _in_stream(dtype: str, data: Bytes, start: int, length: int) -> Storage:
    return Storage(dtype, start, length, lambda: data[start : start + length])
