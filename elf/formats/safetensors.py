"""safetensors: a JSON header that names byte ranges of one buffer (github.com/huggingface/safetensors, README)."""

from __future__ import annotations

import json
from pathlib import Path

from elf.errors import ElfError
from elf.formats.base import Bytes, ModelFile
from elf.formats.found import MAX_TENSORS, Found, quoted

MAX_HEADER = 100_000_000  # the reference implementation's limit
# How often a header of MAX_TENSORS tensors may hold what becomes an object of a hundred bytes when it is parsed.
_MOST = {b"{": 2 * MAX_TENSORS, b"[": 6 * MAX_TENSORS, b'"': 20 * MAX_TENSORS}

_DTYPES = {
    "BOOL": "bool", "U8": "u8", "I8": "i8", "U16": "u16", "I16": "i16", "U32": "u32", "I32": "i32", "U64": "u64",
    "I64": "i64", "F16": "f16", "BF16": "bf16", "F32": "f32", "F64": "f64", "C64": "c64", "F4": "f4_e2m1",
    "F6_E2M3": "f6_e2m3", "F6_E3M2": "f6_e3m2", "F8_E4M3": "f8_e4m3", "F8_E4M3FNUZ": "f8_e4m3fnuz",
    "F8_E5M2": "f8_e5m2", "F8_E5M2FNUZ": "f8_e5m2fnuz", "F8_E8M0": "f8_e8m0",
}  # fmt: skip


def matches(path: Path, data: Bytes) -> bool:
    """By name, or by a header length that fits the file and is followed by a JSON object."""
    if path.suffix == ".safetensors":
        return True
    return data.size > 8 and data[8] == ord("{") and _header_length(data) <= min(MAX_HEADER, data.size - 8)


def read(path: Path, data: Bytes) -> ModelFile:
    """Open a safetensors file. Raises ElfError for whatever the reference implementation refuses."""
    if data.size < 8:
        raise ElfError(f"a file of {data.size} bytes has no header length")
    length = _header_length(data)
    if length > MAX_HEADER:
        raise ElfError(f"the header claims {length} bytes, more than the {MAX_HEADER} the format allows")
    if length > data.size - 8:
        raise ElfError(f"truncated: the header claims {length} bytes, {data.size - 8} follow")
    found = [_entry(name, entry, 8 + length) for name, entry in _header(data[8 : 8 + length].tobytes()).items()]
    _check_cover(found, 8 + length, data.size)
    return ModelFile(path, data, "safetensors", found)


def _header_length(data: Bytes) -> int:
    return int.from_bytes(data[:8].tobytes(), "little")


def _header(text: bytes) -> dict[str, object]:
    if any(text.count(sign) > most for sign, most in _MOST.items()):
        raise ElfError(f"the header has the signs of more than {MAX_TENSORS} tensors")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ElfError(f"the header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise ElfError("the header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ElfError("__metadata__ is not a map of strings")
    return header


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique: dict[str, object] = {}
    for key, value in pairs:
        if key in unique:
            raise ElfError(f"the header has the key {quoted(key)} twice")
        unique[key] = value
    return unique


def _refuse(constant: str) -> object:
    raise ElfError(f"the header holds {constant}, which is not JSON")


def _entry(name: str, entry: object, base: int) -> Found:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ElfError(f"tensor {quoted(name)} has not exactly dtype, shape and data_offsets")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in _DTYPES:
        raise ElfError(f"tensor {quoted(name)} has the unknown dtype {quoted(str(entry['dtype']))}")
    shape, offsets = _sizes(name, entry["shape"]), _sizes(name, entry["data_offsets"])
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ElfError(f"tensor {quoted(name)} has impossible data_offsets")
    return Found(name, _DTYPES[entry["dtype"]], shape, base + offsets[0], offsets[1] - offsets[0])


def _sizes(name: str, values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value < 1 << 64 for value in values):
        raise ElfError(f"tensor {quoted(name)} has a size that is no whole number of 64 bits")
    return tuple(values)


def _check_cover(found: list[Found], base: int, size: int) -> None:
    """The ranges must cover the buffer without a gap or an overlap."""
    end = base
    for item in sorted(found, key=lambda item: (item.start or 0, item.length)):
        if item.start != end:
            at = (item.start or 0) - base
            raise ElfError(f"tensor {quoted(item.name)} starts at byte {at}, what is before it ends at {end - base}")
        end += item.length
    if end != size:
        raise ElfError(f"the tensors end at byte {end - base} of a buffer of {size - base}: truncated, or not one file")
