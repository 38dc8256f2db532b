"""A store that keeps identical files once, identical tensors once, and the rest coded or as deltas (ZipLLM, NSDI 2026).

Each distinct tensor is kept by the smallest of what is allowed; a delta's base must come earlier in the study than its
target, so that no two need each other; a base may itself be kept as a delta. Of all relatives a file has, the best is
taken tensor by tensor, after measuring: an upper bound of what a rule that guesses the base would reach.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.aggregate.hash_dedup import INDEX_BYTES, REFERENCE_BYTES
from analysis.shard_index import ShardIndex


@dataclass(frozen=True)
class StoredFile:
    """One original file: what identifies it, its bytes, its tensors with bytes of their own as (content, stored)."""

    family: str
    content: tuple[str, ...]
    bytes: int
    tensors: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Sizes:
    """Coded bytes: of a content alone by codec, and as a delta by (codec, base)."""

    alone: dict[str, dict[str, int]]
    deltas: dict[str, list[tuple[str, str, int]]]

    @classmethod
    def of(cls, alone: pd.DataFrame, deltas: pd.DataFrame) -> Sizes:
        """From the frames of `layer_codes` and `layer_deltas`."""
        codes: dict[str, dict[str, int]] = defaultdict(dict)
        for content, codec, size in zip(alone["content"], alone["codec"], alone["bytes_out"], strict=True):
            codes[content][codec] = int(size)
        found: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
        columns = (deltas[name] for name in ("content", "codec", "base_content", "bytes_out"))
        for content, codec, base, size in zip(*columns, strict=True):
            found[content].append((codec, base, int(size)))
        return cls(dict(codes), dict(found))


STEPS: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    ("2 tensor dedup", frozenset(), frozenset()),
    ("3 zstd", frozenset({"zstd"}), frozenset()),
    ("4 float codec", frozenset({"zstd", "split"}), frozenset()),
    ("5 zipllm", frozenset({"zstd", "split"}), frozenset({"xor"})),
    ("6 any delta", frozenset({"zstd", "split"}), frozenset({"xor", "difference", "patch-from"})),
)
"""Step, codecs that may code a tensor alone, and against a relative."""


def contents(layers: pd.DataFrame) -> list[str]:
    """The content hash of each row of a shard's `layers`: XXH3-128 in 32 hexadecimal digits."""
    return [f"{high:016x}{low:016x}" for high, low in zip(layers["hash_hi"], layers["hash_lo"], strict=True)]


def files_of(index: ShardIndex) -> list[StoredFile]:
    """The original files that hash_dedup looked at, in the manifest's order."""
    tensors: dict[tuple[str, str], tuple[tuple[str, int], ...]] = {}
    for model, file, table in index.read("hash_dedup", "layers"):
        rows = table.to_pandas()
        rows = rows[rows["stored"] > 0]
        sizes = (int(size) for size in rows["stored"])
        tensors[model.model, file.file] = tuple(zip(contents(rows), sizes, strict=True))
    return [
        StoredFile(
            model.family, tuple(contents(table.to_pandas())), file.bytes, tensors.get((model.model, file.file), ())
        )
        for model, file, table in index.read("hash_dedup", "files")
        if not model.derived
    ]


def steps(files: Sequence[StoredFile], sizes: Sizes) -> list[dict[str, Any]]:
    """The rows of `pipeline` for one set of files."""
    distinct = list({file.content: file for file in reversed(files)}.values())[::-1]
    total, kept = sum(file.bytes for file in files), sum(file.bytes for file in distinct)
    whole = _row("0 identity", len(files), len(files), 0, total)
    once = _row("1 file dedup", len(files), len(distinct), 0, kept)
    once |= {"bytes_recipe": REFERENCE_BYTES * len(files), "bytes_index": INDEX_BYTES * len(distinct)}
    rows = [_tensor_step(step, distinct, sizes, alone, deltas) for step, alone, deltas in STEPS]
    for row in rows:
        row["bytes_recipe"] += once["bytes_recipe"]
        row["bytes_index"] += once["bytes_index"]
    return [{**row, "bytes_in": total} for row in (whole, once, *rows)]


def _row(step: str, n_units: int, n_unique: int, n_deltas: int, payload: int) -> dict[str, Any]:
    counts = {"step": step, "n_units": n_units, "n_unique": n_unique, "n_deltas": n_deltas}
    return counts | {"bytes_payload": payload, "bytes_recipe": 0, "bytes_index": 0}


def _tensor_step(
    step: str, files: Sequence[StoredFile], sizes: Sizes, alone: frozenset[str], deltas: frozenset[str]
) -> dict[str, Any]:
    references = [tensor for file in files for tensor in file.tensors]
    rest = sum(file.bytes for file in files) - sum(stored for _, stored in references)
    stored = distinct_tensors(files)
    chosen = best_deltas(stored, sizes, alone, deltas)
    payload = rest + sum(size for _, size in chosen.values())
    n_deltas = sum(base is not None for base, _ in chosen.values())
    row = _row(step, len(references), len(stored), n_deltas, payload)
    row["bytes_recipe"] = REFERENCE_BYTES * (len(references) + n_deltas)
    row["bytes_index"] = INDEX_BYTES * len(stored)
    return row


def distinct_tensors(files: Sequence[StoredFile]) -> dict[str, int]:
    """Each content in the order of its first place, with the least bytes that it takes as stored."""
    stored: dict[str, int] = {}
    for file in files:
        for content, size in file.tensors:
            stored[content] = min(size, stored.get(content, size))
    return stored


def best_deltas(
    stored: dict[str, int], sizes: Sizes, alone: frozenset[str], deltas: frozenset[str]
) -> dict[str, tuple[str | None, int]]:
    """For each content its base, None without, and the bytes that it takes; a delta pays for naming its base."""
    place = {content: number for number, content in enumerate(stored)}
    chosen: dict[str, tuple[str | None, int]] = {}
    for content, plain in stored.items():
        codes = sizes.alone.get(content, {})
        least = min([plain, *(size for codec, size in codes.items() if codec in alone)])
        offers = [
            (size, base)
            for codec, base, size in sizes.deltas.get(content, [])
            if codec in deltas and place.get(base, len(place)) < place[content]
        ]
        size, base = min(offers, default=(least, ""))
        chosen[content] = (base, size) if size + REFERENCE_BYTES < least else (None, least)
    return chosen
