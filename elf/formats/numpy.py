"""NumPy's npy, and npz: a ZIP archive of them (numpy.org, NEP 1)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from elf.errors import ElfError
from elf.formats.base import Bytes, ModelFile
from elf.formats.found import Decode, Found, quoted
from elf.formats.zips import Member, content, is_zip, members
from elf.tensor import DTYPES

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000  # as NumPy itself allows

_NAMES = {dtype.numpy.str[1:]: name for name, dtype in reversed(DTYPES.items()) if dtype.numpy is not None}
# NumPy forgets the names of types it does not know and writes untyped bytes of their width: bf16 and fp8 arrive so.
_NAMES |= {"V1": "u8", "V2": "u16", "V4": "u32", "V8": "u64", "b1": "bool", "u1": "u8", "u2": "u16"}


def matches(path: Path, data: Bytes) -> bool:
    """By npy's magic number, or an archive with npy files in it."""
    del path
    if is_zip(data):
        return any(name.endswith(".npy") for name in members(data))
    head = data[:6].tobytes()
    return len(head) > 1 and MAGIC.startswith(head)


def read(path: Path, data: Bytes) -> ModelFile:
    """Open an npy file (its one tensor is named after the file) or an npz archive."""
    if is_zip(data):
        found = [_in_archive(member, data) for name, member in members(data).items() if name.endswith(".npy")]
        return ModelFile(path, data, "npz", [item for item in found if item is not None])
    whole = Member(path.stem, 0, data.size, data.size, plain=True)
    array = _in_archive(whole, data)
    return ModelFile(path, data, "npy", [] if array is None else [array])


def array_dtype(code: str) -> tuple[str, str] | None:
    """Byte order (one of < > |) and our name of a NumPy type string such as '<f4'; None if it holds no numbers."""
    match = re.fullmatch(r"([<>|=]?)([a-zA-Z]\d+)", code)
    if match is None or match[2] not in _NAMES:
        return None
    return match[1] or "|", _NAMES[match[2]]


def array_decoder(
    order: str, dtype: str, shape: tuple[int, ...], *, fortran: bool, load: Callable[[], Bytes]
) -> Decode | None:
    """How the bytes that `load` gives become little-endian and C order; None if they are already."""
    numpy = DTYPES[dtype].numpy
    if numpy is None:
        raise ElfError(f"arrays of {dtype} are not known to NumPy")
    swap = order == ">" and numpy.itemsize > 1
    transpose = fortran and sum(size > 1 for size in shape) > 1
    if not swap and not transpose:
        return None

    def decode() -> Bytes:
        typed = load().view(numpy.newbyteorder(">") if swap else numpy)
        array = typed.reshape(shape, order="F" if fortran else "C")
        return np.ascontiguousarray(array, numpy).reshape(-1).view(np.uint8)

    return decode


def fortran_axes(order: str, dtype: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The axes of an array in Fortran order as they are stored, None if its elements are big-endian as well."""
    return None if order == ">" and DTYPES[dtype].block_bytes > 1 else tuple(reversed(range(len(shape))))


def _in_archive(member: Member, data: Bytes) -> Found | None:
    """The array of one npy file; None if its elements are no numbers (text, records)."""
    name = member.name.removesuffix(".npy")
    code, shape, fortran, start = _header(name, content(member, data, MAX_HEADER + 12).tobytes())
    if re.fullmatch(r"\|?O\d*", code):
        raise ElfError(f"array {quoted(name)} holds Python objects, which only unpickling would read")
    kind = array_dtype(code)
    if kind is None:
        return None
    order, dtype = kind
    nbytes = DTYPES[dtype].nbytes(shape)
    if member.size - start != nbytes:
        raise ElfError(f"array {quoted(name)} holds {member.size - start} bytes, its shape needs {nbytes}")

    def load() -> Bytes:
        raw = content(member, data, start + nbytes)[start:]
        if raw.size != nbytes:
            raise ElfError(f"array {quoted(name)} ends after {raw.size} of {nbytes} bytes")
        return raw

    decode = array_decoder(order, dtype, shape, fortran=fortran, load=load)
    if member.plain:
        axes = fortran_axes(order, dtype, shape) if fortran else None
        return Found(name, dtype, shape, member.start + start, nbytes, decode=decode, axes=axes)
    return Found(name, dtype, shape, member.start, member.length, decode=decode or load)


def _header(name: str, head: bytes) -> tuple[str, tuple[int, ...], bool, int]:
    """Type string, shape, whether in Fortran order, and where the elements start."""
    if not head.startswith(MAGIC) or len(head) < 12:
        raise ElfError(f"array {quoted(name)} does not start as npy")
    wide = head[6] > 1
    start = 12 if wide else 10
    end = start + int.from_bytes(head[8:start], "little")
    if head[6] not in (1, 2, 3) or end > len(head) or end > MAX_HEADER:
        raise ElfError(f"array {quoted(name)} has a damaged npy header")
    fields = ast.literal_eval(head[start:end].decode("utf-8" if head[6] == 3 else "latin-1").strip())
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise ElfError(f"array {quoted(name)} has not exactly descr, fortran_order and shape in its header")
    shape = fields["shape"]
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise ElfError(f"array {quoted(name)} has an impossible shape")
    code = fields["descr"] if isinstance(fields["descr"], str) else "record"
    return code, shape, bool(fields["fortran_order"]), end
