from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from analysis.contents.chunking import XET, Chunks, Rule, fixed
from analysis.contents.tally import CHUNKS, Tally

Key = tuple[str, str, int, int, int]
CHUNK = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3))
BATCH = st.tuples(st.sampled_from([fixed(512), XET]), st.sampled_from(["file", "tensor"]), st.lists(CHUNK, max_size=12))
Batch = tuple[Rule, str, list[tuple[int, int, int]]]


def tallied(batches: list[Batch], run_chunks: int = 1 << 19) -> list[pa.Table]:
    tables: list[pa.Table] = []
    tally = Tally(tables.append, run_chunks)
    for rule, anchor, chunks in batches:
        high, low, lengths = np.array(chunks, np.int64).reshape(-1, 3).T
        tally.add(Chunks(rule, anchor, np.cumsum(lengths), lengths, high.astype(np.uint64), low.astype(np.uint64)))
    tally.flush()
    assert all(table.schema == CHUNKS for table in tables)
    return tables


def rows(table: pa.Table) -> list[tuple[Key, int]]:
    columns = ("method", "anchor", "hash_hi", "hash_lo", "length")
    return [(tuple(row[name] for name in columns), row["count"]) for row in table.to_pylist()]


def counted(batches: list[Batch]) -> Counter[Key]:
    return Counter((rule.name, anchor, *chunk) for rule, anchor, chunks in batches for chunk in chunks)


@given(st.lists(BATCH, max_size=6))
def test_equal_chunks_are_counted_together_and_come_sorted(batches: list[Batch]) -> None:
    """Few values, so that hashes with equal high halves and other low halves or lengths are common."""
    found = [row for table in tallied(batches) for row in rows(table)]
    assert found == sorted(counted(batches).items())


@given(st.lists(BATCH, max_size=6), st.integers(1, 10))
def test_in_several_runs_the_counts_add_up(batches: list[Batch], run_chunks: int) -> None:
    total: Counter[Key] = Counter()
    for table in tallied(batches, run_chunks):
        total.update(dict(rows(table)))
    assert total == counted(batches)


def test_a_run_is_handed_on_when_it_is_long_enough() -> None:
    batch = (XET, "file", [(1, 1, 1), (2, 2, 2)])
    assert [table.num_rows for table in tallied([batch, batch, batch], 4)] == [2, 2]


def test_nothing_is_handed_on_when_there_is_nothing() -> None:
    assert tallied([]) == []
