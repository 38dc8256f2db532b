"""Aggregation agrees with a slow obvious count of every reference, whatever the shards hold."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.aggregate import build, hash_dedup, parameters, stores
from analysis.contents.elements import STATISTICS
from analysis.contents.fingerprints import FILES, LAYERS
from analysis.contents.tally import CHUNKS
from analysis.manifest import FileEntry, Manifest, ModelEntry
from analysis.shard_index import ShardIndex
from analysis.shards import ShardWriter

HIGH_BIT = 1 << 63


class File(NamedTuple):
    """One synthetic file: the ids of its chunks (a chunk of id i is 10 + i bytes) and the values of its one layer."""

    chunks: tuple[int, ...]
    values: tuple[int, ...]


FILES_OF_A_MODEL = st.lists(
    st.builds(
        File,
        st.lists(st.integers(0, 5), min_size=1, max_size=6).map(tuple),
        st.lists(st.integers(0, 9), min_size=1, max_size=5).map(tuple),
    ),
    min_size=1,
    max_size=3,
)
STUDIES = st.dictionaries(
    st.sampled_from(["red", "green", "blue"]), st.lists(FILES_OF_A_MODEL, min_size=1, max_size=3), min_size=1
)
Study = dict[str, list[list[File]]]


def write_shard(shards: Path, key: str, file: File) -> None:
    counted = pd.Series(file.chunks).value_counts()
    chunks = [
        {
            "method": "fixed-16",
            "anchor": "file",
            "hash_hi": int(i) * (HIGH_BIT // 3),
            "hash_lo": int(i),
            "length": 10 + int(i),
            "count": int(n),
        }
        for i, n in counted.items()
    ]
    size = sum(10 + i for i in file.chunks)
    digest = hash(file.values) % 2**64
    counts: dict[str, object] = dict.fromkeys(STATISTICS) | {"n_distinct": len(set(file.values))}
    place = {"index": 0, "part": 0, "offset": 0, "alias_of": None, "hash_hi": digest, "hash_lo": 1}
    kind = {"name": "w", "dtype": "u8", "shape": [len(file.values)], "role": "weight"}
    layer = place | kind | counts | dict.fromkeys(("n_params", "bytes", "stored"), len(file.values))
    with ShardWriter(shards, key) as shard:
        row = {"part": 0, "format": "synthetic", "bytes": size, "hash_hi": hash(file.chunks) % 2**64, "hash_lo": 2}
        shard.emit("files", pa.Table.from_pylist([row], FILES))
        shard.emit("layers", pa.Table.from_pylist([layer], LAYERS))
        shard.emit("chunks", pa.Table.from_pylist(chunks, CHUNKS))
        shard.emit("values-u8", pa.table({"value": pa.array(sorted(set(file.values)), pa.uint64())}))


def index_of(study: Study, shards: Path, derived: frozenset[str] = frozenset()) -> ShardIndex:
    models = []
    for family, members in study.items():
        for number, files in enumerate(members):
            name = f"{family}-{number}"
            entries = []
            for i, file in enumerate(files):
                key = f"{name}-{i}".ljust(32, "0")
                write_shard(shards, key, file)
                size = sum(10 + c for c in file.chunks)
                entries.append(FileEntry(file=f"f{i}", bytes=size, n_parts=1, shards={"hash_dedup": key}))
            models.append(
                ModelEntry(
                    family=family,
                    model=name,
                    source="test",
                    revision="",
                    task="",
                    derived=name in derived,
                    files=tuple(entries),
                )
            )
    return ShardIndex(Manifest(study="all", measures={"hash_dedup": 1}, models=tuple(models), failures=()), shards)


def references(study: Study, derived: frozenset[str]) -> list[tuple[str, str, str, int]]:
    """(family, model, file, chunk) for every single chunk of the study."""
    return [
        (family, f"{family}-{number}", f"{family}-{number}//f{i}", chunk)
        for family, members in study.items()
        for number, files in enumerate(members)
        for i, file in enumerate(files)
        for chunk in file.chunks
        if f"{family}-{number}" not in derived
    ]


def store(chunks: list[int]) -> tuple[int, int, int, int]:
    """n_units, n_unique, bytes_in, bytes_payload of a store that is given these chunks."""
    return len(chunks), len(set(chunks)), sum(10 + c for c in chunks), sum(10 + c for c in set(chunks))


def oracle(study: Study) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    seen: dict[tuple[str, str], list[int]] = defaultdict(list)
    everything = references(study, frozenset())
    for family, model, file, chunk in everything:
        for key in (("file", file), ("model", model), ("family", family), ("study", "all")):
            seen[key].append(chunk)
        for other in study:
            if other != family:
                seen["without_family", other].append(chunk)
    return {key: store(chunks) for key, chunks in seen.items()}


def counted(units: pd.DataFrame, granularity: str) -> dict[tuple[str, str], tuple[int, ...]]:
    rows = units[units["granularity"] == granularity]
    columns = ["n_units", "n_unique", "bytes_in", "bytes_payload"]
    return {
        (row["scope"], row["name"]): tuple(int(row[c]) for c in columns)
        for row in rows.to_dict("records")
        if row["n_units"]
    }


@pytest.mark.parametrize("partition_rows", [1_000_000, 4], ids=["one partition", "many partitions"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(study=STUDIES)
def test_chunk_stores_of_every_scope_count_like_the_oracle(
    study: Study, partition_rows: int, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PARTITION_ROWS", partition_rows)
    units, _ = hash_dedup.dedup(index_of(study, tmp_path_factory.mktemp("shards")))
    assert counted(units, "chunk") == oracle(study)


@settings(max_examples=12, deadline=None)
@given(study=STUDIES)
def test_scopes_add_up_to_the_published_formula(study: Study, tmp_path_factory: pytest.TempPathFactory) -> None:
    """n - files, files - models, models - families, families - 1 for each distinct chunk, whatever the order."""
    units, _ = hash_dedup.dedup(index_of(study, tmp_path_factory.mktemp("shards")))
    found = units[units["granularity"] == "chunk"].groupby("scope")["n_unique"].sum()
    by_chunk: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
    for family, model, file, chunk in references(study, frozenset()):
        by_chunk[chunk].append((family, model, file))
    for i, (inner, outer) in enumerate(itertools.pairwise(["file", "model", "family"])):
        dropped = sum(
            len({ref[2 - i] for ref in refs}) - len({ref[1 - i] for ref in refs}) for refs in by_chunk.values()
        )
        assert found[inner] - found[outer] == dropped
    assert found["family"] - found["study"] == sum(len({ref[0] for ref in refs}) - 1 for refs in by_chunk.values())


@settings(max_examples=12, deadline=None)
@given(study=STUDIES)
def test_shared_bytes_are_the_distinct_chunks_both_models_have(
    study: Study, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, shared = hash_dedup.dedup(index_of(study, tmp_path_factory.mktemp("shards")))
    rows = shared[shared["granularity"] == "chunk"]
    found = {
        (a, b): (int(n), int(size))
        for a, b, n, size in rows[["model_a", "model_b", "n_units", "bytes"]].itertuples(index=False)
    }
    held: dict[str, set[int]] = defaultdict(set)
    for _, model, _, chunk in references(study, frozenset()):
        held[model].add(chunk)
    expected = {(a, b): held[a] & held[b] for a, b in itertools.combinations(sorted(held), 2) if held[a] & held[b]}
    assert found == {pair: (len(both), sum(10 + c for c in both)) for pair, both in expected.items()}


@pytest.mark.parametrize("partition_values", [1 << 26, 3], ids=["one partition", "many partitions"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(study=STUDIES)
def test_distinct_parameters_are_exact_at_every_scope(
    study: Study, partition_values: int, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "PARTITION_VALUES", partition_values)
    found = parameters.count_distinct(index_of(study, tmp_path_factory.mktemp("shards")))
    expected: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for family, members in study.items():
        for number, files in enumerate(members):
            for file in files:
                for key in (("model", f"{family}-{number}"), ("family", family), ("study", "all")):
                    expected[(*key, "u8")] |= set(file.values)
    assert dict(found) == {key: len(values) for key, values in expected.items()}


def test_a_derived_model_counts_for_itself_and_in_no_total(tmp_path: Path) -> None:
    study: Study = {"red": [[File((1, 1), (1,))], [File((1, 2), (2,))]], "blue": [[File((3,), (3,))]]}
    tables = build(index_of(study, tmp_path, frozenset({"red-1"})))
    chunks = counted(tables["hash_dedup"], "chunk")
    assert chunks["model", "red-1"] == store([1, 2])
    assert chunks["family", "red"] == store([1, 1])
    assert chunks["study", "all"] == store([1, 1, 3])
    values = tables["parameters"].set_index(["scope", "name"])["n_distinct"]
    assert (values["model", "red-1"], values["family", "red"], values["study", "all"]) == (1, 1, 2)


def test_layers_and_the_rest_sum_to_whole_files(tmp_path: Path) -> None:
    study: Study = {"red": [[File((1, 5), (1, 2, 2))], [File((4,), (7,))]]}
    tables = build(index_of(study, tmp_path))
    rows = tables["hash_dedup"].set_index(["granularity", "method", "scope", "name"])["bytes_in"]
    whole = rows["identity", "stored", "study", "all"]
    assert rows["layer", "typed", "study", "all"] + rows["rest", "stored", "study", "all"] == whole
    assert rows["parameter", "u8", "study", "all"] + rows["rest", "stored", "study", "all"] == whole
    assert rows["file", "whole", "study", "all"] == whole


@pytest.mark.parametrize(
    ("n", "distinct", "expected"), [(0, 0, 0), (5, 1, 0), (8, 2, 1), (9, 2, 2), (3, 3, 1), (10, 256, 10), (10, 257, 12)]
)
def test_packed_indices_take_the_ceiling_of_the_logarithm(n: int, distinct: int, expected: int) -> None:
    assert parameters.packed_bytes(n, distinct) == expected


@given(st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=4))
def test_union_is_the_sorted_set(arrays: list[list[int]]) -> None:
    found = parameters.union([np.array(array, np.uint32) for array in arrays])
    assert found.tolist() == sorted(set(itertools.chain(*arrays)))
