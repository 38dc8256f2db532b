"""The table `composition` agrees with a slow obvious count over every unit of every file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis.aggregate import composition, stores
from analysis.composition.composing import STREAMS, UNITS
from analysis.manifest import FileEntry, Manifest, ModelEntry
from analysis.shard_index import ShardIndex
from analysis.shards import ShardWriter
from analysis.views.composition import labelled

METHODS = ("file: whole", "layer: untyped", "chunk: xet @ file", "chunk: xet @ tensor")
CODECS = ("stored", "zstd-3")
UNIT = 100
Unit = tuple[str, int, int]
"""Method, identity, count: identity i has 100 + i bytes, and 60 + i coded."""
Study = dict[tuple[str, str, str], list[Unit]]
"""Units by family, model and file. What is called derived is a derived model."""


def hashes(identity: int) -> dict[str, int]:
    return {"hash_hi": identity * (2**64 // 40), "hash_lo": identity}


def study_of(seed: int) -> Study:
    rng = np.random.default_rng(seed)
    names = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "derived")]
    files = [(*name, f"f{number}") for name in names for number in range(2)]
    return {file: [(method, int(rng.integers(20)), int(rng.integers(1, 4))) for method in METHODS for _ in range(6)]
            for file in files}  # fmt: skip


def coded(identity: int, codec: str) -> int:
    return UNIT + identity if codec == "stored" else 60 + identity


def index_of(study: Study, shards: Path) -> ShardIndex:
    models: dict[tuple[str, str], list[FileEntry]] = {}
    for number, ((family, model, file), units) in enumerate(study.items()):
        keys = {f"composition:{codec}": f"{number}-{codec}".ljust(32, "0") for codec in CODECS}
        for codec in CODECS:
            write_shard(shards, keys[f"composition:{codec}"], codec, units)
        models.setdefault((family, model), []).append(FileEntry(file=file, bytes=1, n_parts=1, shards=keys))
    entries = [
        ModelEntry(family=family, model=model, source="test", revision="", task="", derived=model == "derived",
                   files=tuple(files))
        for (family, model), files in models.items()
    ]  # fmt: skip
    manifest = Manifest(study="all", measures={"composition": 1}, models=tuple(entries), failures=())
    return ShardIndex(manifest, shards)


def write_shard(shards: Path, key: str, codec: str, units: list[Unit]) -> None:
    counted: Counter[tuple[str, int]] = Counter()
    for method, identity, count in units:
        counted[method, identity] += count
    rows = [
        {"codec": codec, "method": method, **hashes(i), "bytes": UNIT + i, "coded": coded(i, codec), "count": n}
        for (method, i), n in counted.items()
    ]
    streams = [
        {"codec": codec, "unit": unit, "method": "xet @ file", **hashes(i), "bytes": coded(i, codec), "count": n}
        for unit in ("file", "layer")
        for (method, i), n in counted.items()
        if method.startswith(unit)
    ]
    with ShardWriter(shards, key) as shard:
        shard.emit("units", pa.Table.from_pylist(rows, UNITS))
        shard.emit("streams", pa.Table.from_pylist(streams, STREAMS))


def seen_by(study: Study) -> Iterator[tuple[str, str, list[Unit]]]:
    """Scope, name and units of every store."""
    for scope, place in (("model", 1), ("family", 0)):
        for name in dict.fromkeys(file[place] for file in study):
            files = [file for file in study if file[place] == name and (scope == "model" or file[1] != "derived")]
            yield scope, name, [unit for file in files for unit in study[file]]
    yield "study", "all", [unit for file, units in study.items() if file[1] != "derived" for unit in units]


@pytest.mark.parametrize(("seed", "partition_rows"), [(0, 150), (1, 4_000_000), (2, 4_000_000)])
def test_every_composition_counts_like_the_oracle(
    seed: int, partition_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PARTITION_ROWS", partition_rows)
    study = study_of(seed)
    table = composition.tables(index_of(study, tmp_path), {})["composition"]
    rows = table.set_index(["order", "coded", "granularity", "method", "codec", "scope", "name"])
    sums = ["n_units", "n_unique", "bytes_in", "bytes_payload", "bytes_recipe", "bytes_index"]
    expected: dict[tuple[str, ...], list[int]] = {}
    for scope, name, units in seen_by(study):
        for method in METHODS:
            unit, _, cut = method.partition(": ")
            there = [(i, n) for kind, i, n in units if kind == method]
            expected |= {(*key, scope, name): row for key, row in orders(unit, cut, there)}
    assert {key: rows.loc[key, sums].astype(int).tolist() for key in rows.index} == expected


def orders(unit: str, cut: str, there: list[tuple[int, int]]) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """Key and numbers of every order that one kind of unit takes part in."""
    n, once = sum(n for _, n in there), {i for i, _ in there}
    size, small = (sum(coded(i, codec) * n for i, n in there) for codec in CODECS)
    kept, least = (sum(coded(i, codec) for i in once) for codec in CODECS)
    if unit == "file":
        yield ("identity", "", "", cut, "stored"), [n, n, size, size, 0, 0]
    yield ("dedup", "", unit, cut, "stored"), [n, len(once), size, kept, 20 * n, 64 * len(once)]
    yield ("compress", unit, "", cut, "zstd-3"), [n, n, size, small, 0, 5 * n]
    yield ("dedup-compress", unit, unit, cut, "zstd-3"), [n, len(once), size, least, 20 * n, 69 * len(once)]
    if unit in {"file", "layer"}:
        chunks = [n, len(once), size, least, 20 * n, 64 * len(once) + 5 * n]
        yield ("compress-dedup", unit, "chunk", "xet @ file", "zstd-3"), chunks
    if unit == "layer":
        chunks = [n, len(once), size, kept, 20 * n, 64 * len(once)]
        yield ("compress-dedup", unit, "chunk", "xet @ file", "stored"), chunks


def test_a_study_without_the_measure_has_an_empty_table(tmp_path: Path) -> None:
    manifest = Manifest(study="all", measures={}, models=(), failures=())
    assert composition.tables(ShardIndex(manifest, tmp_path), {})["composition"].empty


def test_rows_are_named_by_order_unit_and_anchor(tmp_path: Path) -> None:
    table = composition.tables(index_of(study_of(0), tmp_path), {})["composition"]
    named: pd.DataFrame = labelled(table[table["scope"] == "study"])
    found = set(zip(named["codec"], named["label"], strict=True))
    assert ("zstd-3", "chunks @ tensor once, then coded") in found
    assert ("stored", "chunks @ file once, then coded") in found
    assert ("stored", "layers coded, then chunks once") in found
    assert ("stored", "whole files coded") not in found
