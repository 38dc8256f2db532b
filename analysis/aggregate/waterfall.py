"""From bytes as stored to the best lossless total, step by step: what each step saves, and what is lost without it.

The store keeps each file's layers (tensors of 1 KiB and more that are stored plain) and the rest of the file apart.
Layers are taken in the order of the study. A layer that was not met before is kept in the way that costs least, what it
takes to find and restore it counted: as a cast or transposition of an earlier one (free but for the reference), as
chunks of which earlier layers hold some, as a delta to an earlier relative, or coded on its own by the smallest of
elf's lossless codecs. An earlier layer can be referred to however it is kept itself.

Casts, transpositions and deltas are those that other measures found and verified (`twins`, `deltas`); without their
shards these steps save nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd
import pyarrow.parquet as pq

from analysis.aggregate.composition import ENTRY_BYTES, MEASURE
from analysis.aggregate.stores import INDEX_BYTES, REFERENCE_BYTES
from analysis.shard_index import ShardIndex
from analysis.shards import shard_path
from analysis.tables import frame
from analysis.tables.composition import WATERFALL

BEST = f"{MEASURE}:elves"
"""The step whose shards hold the layers."""

FILES, REST, LAYERS, TWINS, CHUNKS, DELTAS, ENTROPY = STEPS = (
    "identical files", "not in a tensor", "identical layers", "casts and transposes", "chunks", "deltas to relatives",
    "entropy of the rest",
)  # fmt: skip
"""In the order of the waterfall."""

STORED, METADATA, TOTAL = "as stored", "metadata", "best lossless total"
Hash = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """A layer, or the rest of a file: hashes as stored and in C order, sizes; its chunks as (hash, bytes, coded)."""

    hash: Hash
    content: str
    bytes: int
    coded: int
    chunks: tuple[tuple[Hash, int, int], ...] = ()


@dataclass(frozen=True)
class File:
    """A file by its content; without shards it is all `rest`, uncoded."""

    family: str
    content: str
    bytes: int
    rest: Layer | None
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Relatives:
    """What other measures know of layers, by the hash of their bytes in C order."""

    twins: dict[str, set[str]] = field(default_factory=dict)
    """Layers that are an exact cast or another order of the axes of each other."""
    deltas: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Coded bytes and base of every measured delta."""


@dataclass
class Kept:
    """What a store came to: bytes saved and units by step, references and entries of the index, coded units."""

    saved: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    units: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    references: int = 0
    entries: int = 0
    coded: int = 0

    @property
    def metadata(self) -> int:
        """Bytes beside the payload."""
        return REFERENCE_BYTES * self.references + INDEX_BYTES * self.entries + ENTRY_BYTES * self.coded

    def save(self, step: str, size: int) -> None:
        """Count a unit and what a step saves of it."""
        self.saved[step] += size
        self.units[step] += 1


def tables(index: ShardIndex, made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:  # noqa: ARG001
    """The table `waterfall`."""
    files = files_of(index)
    version = index.manifest.measures.get(MEASURE)
    if version is None or not files:
        return {"waterfall": frame(WATERFALL, [])}
    known = relatives_of(index)
    scopes = {("family", family): [file for file in files if file.family == family] for family in _families(files)}
    scopes["study", index.manifest.study] = files
    rows = [
        {"scope": scope, "name": name, **row, "method_version": version}
        for (scope, name), some in scopes.items()
        for row in waterfall(some, known)
    ]
    return {"waterfall": frame(WATERFALL, rows)}


def _families(files: Iterable[File]) -> list[str]:
    return sorted({file.family for file in files})


def waterfall(files: Sequence[File], known: Relatives) -> list[dict[str, object]]:
    """The rows of one store: order, step, n_units, bytes, bytes_left_out."""
    size = sum(file.bytes for file in files)
    kept = keep(files, known)
    total = size - sum(kept.saved.values()) + kept.metadata
    rows = [(STORED, len(files), size, total)]
    for step in STEPS:
        less = keep(files, known, frozenset(STEPS) - {step})
        rows.append((step, kept.units[step], -kept.saved[step], size - sum(less.saved.values()) + less.metadata))
    rows.append((METADATA, kept.references, kept.metadata, total - kept.metadata))
    rows.append((TOTAL, kept.entries, total, total))
    names = ("step", "n_units", "bytes", "bytes_left_out")
    return [{"order": order, **dict(zip(names, row, strict=True))} for order, row in enumerate(rows)]


def keep(files: Sequence[File], known: Relatives, steps: frozenset[str] = frozenset(STEPS)) -> Kept:
    """What a store that takes some of the steps keeps of these files, in their order."""
    store = _Store(known, steps)
    seen: set[str] = set()
    for file in files:
        store.kept.references += 1
        if FILES in steps and file.content in seen:
            store.kept.save(FILES, file.bytes)
            continue
        seen.add(file.content)
        store.kept.entries += 1
        if file.rest is not None and REST in steps:
            store.kept.save(REST, file.rest.bytes - file.rest.coded)
            store.kept.coded += 1
        for layer in file.layers:
            store.add(layer)
    return store.kept


class _Store:
    """A store of layers on its way through a study."""

    def __init__(self, known: Relatives, steps: frozenset[str]) -> None:
        self.kept = Kept()
        self._known = known
        self._steps = steps
        self._hashes: set[Hash] = set()
        self._contents: set[str] = set()
        self._chunks: set[Hash] = set()
        self._indexed: set[Hash] = set()

    def add(self, layer: Layer) -> None:
        """Keep one more layer."""
        self.kept.references += 1
        if LAYERS in self._steps and layer.hash in self._hashes:
            self.kept.save(LAYERS, layer.bytes)
            return
        self.kept.entries += 1
        self._keep(layer)
        self._hashes.add(layer.hash)
        self._contents.add(layer.content)
        self._chunks.update(chunk for chunk, _, _ in layer.chunks)

    def _keep(self, layer: Layer) -> None:
        """Of equal costs the earlier way."""
        if TWINS in self._steps and self._known.twins.get(layer.content, set()) & self._contents:
            self.kept.references += 1
            self.kept.save(TWINS, layer.bytes)
            return
        ways = [self._alone(layer), self._delta(layer), self._chunked(layer)]
        [best, *_] = sorted((way for way in ways if way is not None), key=lambda way: way.cost)
        best.apply(self.kept)
        if best.chunked:
            self._indexed.update(chunk for chunk, _, _ in layer.chunks)

    def _alone(self, layer: Layer) -> _Way:
        if ENTROPY not in self._steps:
            return _Way({}, layer.bytes)
        return _Way({ENTROPY: layer.bytes - layer.coded}, layer.bytes, coded=1)

    def _delta(self, layer: Layer) -> _Way | None:
        found = self._known.deltas.get(layer.content, []) if DELTAS in self._steps else []
        sizes = [size for size, base in found if base in self._contents and base != layer.content]
        return _Way({DELTAS: layer.bytes - min(sizes)}, layer.bytes, references=1, coded=1) if sizes else None

    def _chunked(self, layer: Layer) -> _Way | None:
        """Chunks that earlier layers or this one hold already are referred to, the others coded one by one."""
        if CHUNKS not in self._steps or len(layer.chunks) == 0:
            return None
        new: dict[Hash, tuple[int, int]] = {}
        for chunk, size, coded in layer.chunks:
            if chunk not in self._chunks:
                new.setdefault(chunk, (size, coded))
        repeated = layer.bytes - sum(size for size, _ in new.values())
        if not repeated:
            return None
        saved, entropy = {CHUNKS: repeated}, ENTROPY in self._steps
        if entropy:
            saved[ENTROPY] = sum(size - coded for size, coded in new.values())
        entries = len({chunk for chunk, _, _ in layer.chunks} - self._indexed)
        coded_units = len(new) if entropy else 0
        return _Way(saved, layer.bytes, len(layer.chunks), entries, coded_units, chunked=True)


@dataclass(frozen=True)
class _Way:
    """A way to keep a layer of `bytes`: what each step saves, and what it needs beside."""

    saved: dict[str, int]
    bytes: int
    references: int = 0
    entries: int = 0
    coded: int = 0
    chunked: bool = False

    @property
    def cost(self) -> int:
        beside = REFERENCE_BYTES * self.references + INDEX_BYTES * self.entries + ENTRY_BYTES * self.coded
        return self.bytes - sum(self.saved.values()) + beside

    def apply(self, kept: Kept) -> None:
        for step, size in self.saved.items():
            kept.save(step, size)
        kept.references += self.references
        kept.entries += self.entries
        kept.coded += self.coded


def files_of(index: ShardIndex) -> list[File]:
    """The files of original models in the manifest's order; those of equal content share what was read.

    A file of which nothing could be measured is in no table, so not here either: all stores have one denominator.
    """
    read: dict[str, tuple[Layer | None, tuple[Layer, ...]]] = {}
    contents = _contents(index)
    found = []
    for model, file in index.files():
        if model.derived or not file.shards:
            continue
        key = file.shards.get(BEST)
        if key is not None and key not in read:
            read[key] = _read(index, key)
        rest, layers = read[key] if key is not None else (None, ())
        content = contents.get((model.model, file.file)) or key or f"{model.model}//{file.file}"
        found.append(File(model.family, content, file.bytes, rest, layers))
    return found


def _contents(index: ShardIndex) -> dict[tuple[str, str], str]:
    """The hashes of the parts of each file, whatever its name."""
    return {
        (model.model, file.file): " ".join(
            f"{high:016x}{low:016x}"
            for high, low in zip(parts["hash_hi"].to_pylist(), parts["hash_lo"].to_pylist(), strict=True)
        )
        for model, file, parts in index.read("hash_dedup", "files")
    }


def _read(index: ShardIndex, key: str) -> tuple[Layer | None, tuple[Layer, ...]]:
    """The rest and the layers of a file, from its shard."""
    folder = shard_path(index.shards, key)
    there = index.tables(folder)
    if "layers" not in there:
        return None, ()
    chunks: dict[int, list[tuple[Hash, int, int]]] = defaultdict(list)
    if "pieces" in there:
        pieces = pq.read_table(folder / "pieces.parquet")
        names = ("number", "hash_hi", "hash_lo", "bytes", "coded")
        for number, high, low, size, coded in zip(*(pieces[name].to_pylist() for name in names), strict=True):
            chunks[number].append(((high, low), size, coded))
    found = {
        row["number"]: Layer(
            (row["hash_hi"], row["hash_lo"]), row["content"], row["bytes"], row["coded"], tuple(chunks[row["number"]])
        )
        for row in pq.read_table(folder / "layers.parquet").to_pylist()
    }
    return found.pop(-1, None), tuple(found.values())


def relatives_of(index: ShardIndex) -> Relatives:
    """What the shards of the measures `twins` and `deltas` say; nothing where the study does not take them."""
    twins: dict[str, set[str]] = defaultdict(set)
    for row in index.group_rows("twins", "twins").to_dict("records"):
        if "reordered" not in row["kind"]:  # equal values, but nobody knows in which order
            twins[row["content_a"]].add(row["content_b"])
            twins[row["content_b"]].add(row["content_a"])
    deltas: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in index.group_rows("deltas", "layer_deltas").to_dict("records"):
        deltas[row["content"]].append((int(row["bytes_out"]), row["base_content"]))
    return Relatives(dict(twins), dict(deltas))
