"""The published pipeline as its public code has it, on the models of one family, a file standing for a model.

Layers whose bytes were seen before, in this model or an earlier one, are references. The other floats are put one after
another, by dtype. The smallest of raw, distance encoding and Elf is taken for the whole model before any zstd, put into
a tar, and that compressed by zstd level 3. Beside the size as it was counted, the size as it should have been: the
layers that are no floats and the bytes in no layer are in the archive too (raw), and a manifest says what is what.

Not copied: threads, pickles, and positions counted anew for each thread. A bf16 layer, on which the code fails, is kept
raw with the other types.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
import zstandard
from numpy.typing import NDArray

from analysis.measure import Emit
from elf import paper
from elf.codecs.base import Values, bits_of
from elf.codecs.distance import Distance
from elf.coding import typed
from elf.formats import ModelFile
from elf.skeleton import cut, skeleton

PUBLISHED = pa.schema(
    [
        ("index", pa.int32()),  # of the file in its group
        ("bytes_in", pa.int64()),
        ("bytes_shared", pa.int64()),  # in layers that were seen before
        ("bytes_float", pa.int64()),  # in the other layers of floats
        ("bytes_other", pa.int64()),  # in the other layers
        ("bytes_raw", pa.int64()),
        ("bytes_de", pa.int64()),
        ("bytes_elf", pa.int64()),
        ("chosen", pa.string()),
        ("bytes_as_was", pa.int64()),
        ("bytes_corrected", pa.int64()),
    ]
)

CODED = ("f16", "f32", "f64")
REFERENCE_BYTES = 20
"""A reference to a layer: 16 bytes of hash, 4 of length, as everywhere in this study."""

_PART = 1 << 18

Section = tuple[str, Sequence[bytes]]
"""A file of the archive: its name, and its content in pieces."""


@dataclass
class _Model:
    """What is left of one file after deduplication: floats one after another by dtype, other layers, the rest."""

    floats: dict[str, Values] = field(default_factory=dict)
    others: list[bytes] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)
    n_layers: int = 0
    bytes_shared: int = 0


def published_rows(files: Sequence[ModelFile], emit: Emit) -> None:
    """Emit `published`: a row a file."""
    seen: set[bytes] = set()
    rows = []
    for index, file in enumerate(files):
        size = sum(int(file.part(number).size) for number in range(len(file.parts)))
        rows.append({"index": index, "bytes_in": size, **_row(_deduplicated(file, seen))})
        file.release()
    emit("published", pa.Table.from_pylist(rows, schema=PUBLISHED))


def _deduplicated(file: ModelFile, seen: set[bytes]) -> _Model:
    layout, stored = cut(file, small=1)
    model = _Model(n_layers=len(stored), rest=list(skeleton(file, layout)))
    floats: dict[str, list[Values]] = {}
    for tensor, where in zip(stored, layout.ranges, strict=True):
        data = file.part(where.part)[where.start : where.stop]
        digest = xxhash.xxh3_128_digest(data.data)
        if digest in seen:
            model.bytes_shared += where.size
        elif tensor.dtype in CODED:
            floats.setdefault(tensor.dtype, []).append(
                typed(data if data.ctypes.data % 8 == 0 else np.array(data), tensor.dtype)
            )
        else:
            model.others.append(data.tobytes())
        seen.add(digest)
    model.floats = {dtype: np.concatenate(floats.pop(dtype)) for dtype in CODED if dtype in floats}
    file.release()
    return model


def _row(model: _Model) -> dict[str, object]:
    distances = sum(distance_bytes(values) for values in model.floats.values())
    coded = [(dtype, values, elf_sections(values)) for dtype, values in model.floats.items()]
    sizes = {
        "raw": sum(values.nbytes for values in model.floats.values()),
        "de": distances,
        "elf": sum(len(piece) for _, _, sections in coded for _, pieces in sections for piece in pieces),
    }
    chosen = min(sizes, key=lambda method: sizes[method])
    archive: list[Section] = []
    for dtype, values, sections in coded:
        as_is = [(f"{dtype}.{chosen}", [_distance(values, dtype) if chosen == "de" else values.tobytes()])]
        archive += [(f"{dtype}.{name}", pieces) for name, pieces in sections] if chosen == "elf" else as_is
    whole = [*archive, ("others", model.others), ("rest", model.rest)]
    return {
        "bytes_shared": model.bytes_shared,
        "bytes_float": sizes["raw"],
        "bytes_other": sum(map(len, model.others)),
        **{f"bytes_{method}": size for method, size in sizes.items()},
        "chosen": chosen,
        "bytes_as_was": tar_zstd(archive),
        "bytes_corrected": tar_zstd(whole) + REFERENCE_BYTES * model.n_layers,
    }


def elf_sections(values: Values) -> list[Section]:
    """Codes, positions (32 bits, as published) and values of what is not coded, as the published Elf writes them."""
    part = _PART if values.dtype == np.float32 else max(1, values.size)  # codes of 24 bits end on a byte, wherever cut
    codes, positions, rest = [], [], []
    for start in range(0, values.size, part):
        found = paper.encode(values[start : start + part])
        codes.append(found[0].tobytes())
        positions.append((found[1] + start).astype("<u4").tobytes())
        rest.append(found[2].tobytes())
    return [("codes", codes), ("positions", positions), ("values", rest)]


def distance_bytes(values: Values) -> int:
    """Bytes of the published distance encoding, without making it: each pattern once, a bit for each sighting, for each
    repeat 5 bits of length and the distance.
    """
    order = _sighted(values)
    repeats = lengths = 0
    for start in range(0, values.size - 1, _PART):
        patterns, places = order(start, start + _PART + 1)
        gaps = np.diff(places)[patterns[1:] == patterns[:-1]]
        repeats += gaps.size
        lengths += int(np.frexp(gaps.astype(np.float64))[1].sum(dtype=np.int64))
    return (values.size - repeats) * values.itemsize + -(-(values.size + 5 * repeats + lengths) // 8)


Sighted = Callable[[int, int], tuple[NDArray[Any], NDArray[np.int64]]]


def _sighted(values: Values) -> Sighted:
    """Patterns and their places in order of pattern, then place: a function that gives a range of them."""
    bits = bits_of(values)
    if values.itemsize > 4:
        places = np.argsort(bits, kind="stable")
        return lambda start, stop: (bits[places[start:stop]], places[start:stop])
    keys = bits.astype(np.uint64)
    keys <<= np.uint64(32)
    for start in range(0, keys.size, _PART):
        keys[start : start + _PART] |= np.arange(start, min(start + _PART, keys.size), dtype=np.uint64)
    keys.sort()
    low = np.uint64((1 << 32) - 1)
    return lambda start, stop: (keys[start:stop] >> np.uint64(32), (keys[start:stop] & low).astype(np.int64))


def _distance(values: Values, dtype: str) -> bytes:
    return bytes(Distance().encode(values, dtype))


def tar_zstd(sections: Iterable[Section]) -> int:
    """Bytes of a tar with these files behind zstd level 3."""
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    size = total = 0
    for name, pieces in sections:
        info = tarfile.TarInfo(name)
        info.size = sum(map(len, pieces))
        padding = bytes(-info.size % tarfile.BLOCKSIZE)
        for piece in (info.tobuf(), *pieces, padding):
            total += len(compressor.compress(piece))
            size += len(piece)
    end = bytes(2 * tarfile.BLOCKSIZE)
    total += len(compressor.compress(end + bytes(-(size + len(end)) % tarfile.RECORDSIZE)))
    return int(total + len(compressor.flush()))
