"""Which files of a study are alike enough to be compared layer by layer, and which layer belongs to which.

Layers match by content; those that are left by name, dtype and shape; those that are left then, because formats name
them differently, by dtype and shape in the order of the two files.

Two files are related when the matched layers hold at least a `share` of the bytes of the smaller file's layers: that
says that they have an architecture in common, not that one was made from the other. A pair is left out when what the
later file has new, in no file before it, and differs from its match is less than LEAST of its bytes, or when a relative
that is taken already offers the same.

To stay near linear in the number of files, a file is only compared with earlier ones that share one of the KEYS largest
layers (dtype and shape) of both, of those with the last WINDOW, and is related to at most `partners` of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import xxhash
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt

if TYPE_CHECKING:
    from analysis.shard_index import ShardIndex
    from elf.formats.base import ModelFile

KEYS = 8
WINDOW = 16
LEAST = 0.01
LARGE = 1 << 23
"""Bytes of a layer after which what was read of the file is given back."""

File = tuple[str, str]
"""Model and file."""


class PairParams(BaseModel):
    """Which files are related: the least share of bytes in matched layers, and earlier relatives a file at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Annotated[StrictFloat, Field(gt=0, le=1)] = 0.5
    partners: Annotated[StrictInt, Field(ge=1, le=64)] = 4


@dataclass(frozen=True)
class Slot:
    """What matching needs to know of a layer; `content` is its XXH3-128 in hexadecimal digits."""

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    content: str

    @property
    def kind(self) -> tuple[str, tuple[int, ...]]:
        """What a layer must share with another to be compared with it."""
        return self.dtype, self.shape


def slots(model: ModelFile) -> list[Slot]:
    """The layers of an open file that have bytes of their own, in the file's order. Raises ElfError if one cannot be
    decoded."""
    found = []
    for index, tensor in enumerate(model.tensors):
        if tensor.alias_of is None and tensor.nbytes:
            digest = xxhash.xxh3_128_hexdigest(model.bytes(tensor).data)
            found.append(Slot(index, tensor.name, tensor.dtype, tensor.shape, tensor.nbytes, digest))
            if tensor.nbytes > LARGE:
                model.release()
    return found


def layers_of(index: ShardIndex) -> list[tuple[File, list[Slot]]]:
    """The same for every original file that hash_dedup looked at, from its shards, in the manifest's order."""
    found = []
    for model, file, table in index.read("hash_dedup", "layers"):
        if not model.derived:
            found.append(((model.model, file.file), _of_rows(table.to_pylist())))
    return found


def _of_rows(rows: list[dict[str, Any]]) -> list[Slot]:
    return [
        Slot(
            row["index"],
            row["name"],
            row["dtype"],
            tuple(row["shape"]),
            row["bytes"],
            f"{row['hash_hi']:016x}{row['hash_lo']:016x}",
        )
        for row in rows
        if row["alias_of"] is None and row["bytes"]
    ]


_KEYS: tuple[Callable[[Slot], object], ...] = (
    lambda slot: (slot.kind, slot.content),
    lambda slot: (slot.kind, slot.name),
    lambda slot: slot.kind,
)


def match(a: Sequence[Slot], b: Sequence[Slot]) -> list[tuple[Slot, Slot]]:
    """Pairs of matched layers (of `a`, of `b`), in the order of `b`; each layer is in one pair at most."""
    left_a, left_b = list(a), list(b)
    pairs: list[tuple[Slot, Slot]] = []
    for key in _KEYS:
        waiting: dict[object, deque[Slot]] = defaultdict(deque)
        for slot in left_a:
            waiting[key(slot)].append(slot)
        found = [(waiting[key(slot)].popleft(), slot) for slot in left_b if waiting[key(slot)]]
        gone_a, gone_b = {x.index for x, _ in found}, {y.index for _, y in found}
        left_a = [slot for slot in left_a if slot.index not in gone_a]
        left_b = [slot for slot in left_b if slot.index not in gone_b]
        pairs += found
    return sorted(pairs, key=lambda pair: pair[1].index)


def changed(a: Sequence[Slot], b: Sequence[Slot]) -> list[tuple[Slot, Slot]]:
    """The matched pairs whose bytes differ: what hash deduplication cannot share."""
    return [(x, y) for x, y in match(a, b) if x.content != y.content]


def related(files: Sequence[tuple[File, Sequence[Slot]]], params: PairParams) -> list[tuple[File, File]]:
    """Related files as (earlier, later), by the later one's place; its relative with the most bytes in common first."""
    layers = dict(files)
    seen: set[str] = set()
    pairs: list[tuple[File, File]] = []
    for later, earlier in _candidates(files):
        new = {slot.content for slot in layers[later]} - seen
        offers = [(_offer(layers[file], layers[later], new, params.share), file) for file in earlier]
        best = sorted((item for item in _distinct(offers) if item[0]), key=lambda item: -_bytes(item[0].values()))
        pairs += [(file, later) for _, file in best[: params.partners]]
        seen |= new
    return pairs


def _candidates(files: Iterable[tuple[File, Sequence[Slot]]]) -> Iterator[tuple[File, list[File]]]:
    """For each file the earlier ones that share a large layer's dtype and shape with it, the nearest first."""
    recent: dict[object, deque[File]] = defaultdict(lambda: deque(maxlen=WINDOW))
    for file, layers in files:
        keys = list(dict.fromkeys(slot.kind for slot in sorted(layers, key=lambda slot: -slot.bytes)))[:KEYS]
        yield file, list(dict.fromkeys(other for key in keys for other in reversed(recent[key])))
        for key in keys:
            recent[key].append(file)


Offer = dict[tuple[str, str], Slot]
"""Pairs of contents (earlier, later) that differ, and the later file's layer."""


def _offer(a: Sequence[Slot], b: Sequence[Slot], new: set[str], share: float) -> Offer:
    """What an earlier file has to offer for the `new` layers of a later one; nothing where they are not related."""
    if _possible(a, b) < share * min(_bytes(a), _bytes(b)):
        return {}
    offer = {(x.content, y.content): y for x, y in changed(a, b) if y.content in new}
    return offer if _bytes(offer.values()) >= LEAST * _bytes(b) else {}


def _distinct(offers: Iterable[tuple[Offer, File]]) -> list[tuple[Offer, File]]:
    """Of files that offer the same layers the first."""
    return list({frozenset(offer): (offer, file) for offer, file in reversed(list(offers))}.values())[::-1]


def _possible(a: Sequence[Slot], b: Sequence[Slot]) -> int:
    """Bytes of the layers that both have by dtype and shape, which is what `match` will match."""
    counts = Counter(slot.kind for slot in a)
    found = 0
    for slot in b:
        if counts[slot.kind]:
            counts[slot.kind] -= 1
            found += slot.bytes
    return found


def _bytes(layers: Iterable[Slot]) -> int:
    return sum(slot.bytes for slot in layers)
