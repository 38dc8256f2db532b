"""The waterfall's parts make up the whole, and each step saves what a count by hand says."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.aggregate import waterfall as module
from analysis.aggregate.waterfall import (
    CHUNKS,
    DELTAS,
    ENTROPY,
    FILES,
    LAYERS,
    METADATA,
    REST,
    STEPS,
    STORED,
    TOTAL,
    TWINS,
    File,
    Layer,
    Relatives,
    keep,
    waterfall,
)
from analysis.manifest import GroupEntry, Manifest
from analysis.shard_index import ShardIndex
from analysis.shards import ShardWriter

REST_OF = Layer((0, 0), "", 500, 100)


def layer(number: int, size: int = 10_000, coded: int = 8000, chunks: tuple[int, ...] = ()) -> Layer:
    """A layer by its number; of its chunks each by a number, of equal lengths."""
    pieces = tuple(((9, chunk), size // len(chunks), coded // len(chunks)) for chunk in chunks)
    return Layer((1, number), f"c{number}", size, coded, pieces)


def file(name: str, *layers: Layer, family: str = "f", rest: Layer | None = REST_OF) -> File:
    size = sum(item.bytes for item in layers) + (rest.bytes if rest else 0)
    return File(family, name, size, rest, layers)


def changes(files: list[File], known: Relatives) -> dict[str, int]:
    return {str(row["step"]): int(str(row["bytes"])) for row in waterfall(files, known)}


def test_identical_files_and_layers_are_kept_once() -> None:
    one = file("x", layer(1), layer(2))
    found = changes([one, one, file("y", layer(2), layer(3))], Relatives())
    assert found[STORED] == 3 * 20_500
    assert found[FILES] == -20_500
    assert found[LAYERS] == -10_000
    assert found[REST] == -2 * 400
    assert found[ENTROPY] == -3 * 2000
    references, entries, coded = 3 + 4, 2 + 3, 2 + 3
    assert found[METADATA] == 20 * references + 64 * entries + 5 * coded
    assert found[TOTAL] == 3 * 8000 + 2 * 100 + found[METADATA]


def test_a_cast_of_an_earlier_layer_costs_a_reference() -> None:
    known = Relatives(twins={"c1": {"c2"}, "c2": {"c1"}})
    kept = keep([file("x", layer(1), layer(2, 5000, 4000))], known)
    assert kept.saved[TWINS] == 5000
    assert kept.saved[ENTROPY] == 2000
    assert kept.references == 1 + 2 + 1
    alone = keep([file("x", layer(2, 5000, 4000))], known)
    assert alone.saved[TWINS] == 0, "its twin is not there"


def test_a_delta_needs_its_base_before_it_and_must_be_smaller() -> None:
    known = Relatives(deltas={"c2": [(3000, "c1"), (10, "c9")], "c3": [(7999, "c1")], "c1": [(1, "c2")]})
    kept = keep([file("x", layer(1), layer(2), layer(3))], known)
    assert kept.saved[DELTAS] == 10_000 - 3000
    assert kept.units[DELTAS] == 1, "7,999 and a reference are more than 8,000"
    assert kept.saved[ENTROPY] == 2 * 2000


def test_chunks_that_earlier_layers_hold_are_referred_to() -> None:
    kept = keep([file("x", layer(1, chunks=(1, 2)), layer(2, chunks=(2, 3)))], Relatives())
    assert kept.saved[CHUNKS] == 5000
    assert kept.saved[ENTROPY] == 2000 + 1000
    assert kept.references == 1 + 2 + 2
    assert kept.entries == 1 + 2 + 2


def test_a_chunk_that_repeats_within_a_layer_counts_once() -> None:
    kept = keep([file("x", layer(1, chunks=(1, 1, 1, 1)))], Relatives())
    assert kept.saved[CHUNKS] == 7500
    assert kept.saved[ENTROPY] == 500


def test_chunks_are_not_taken_where_coding_the_whole_layer_is_smaller() -> None:
    kept = keep([file("x", layer(1, coded=50, chunks=(1, 1)))], Relatives())
    assert kept.saved[CHUNKS] == 0
    assert kept.saved[ENTROPY] == 9950


def test_without_layers_the_chunks_step_in() -> None:
    twice = [file("x", layer(1, chunks=(1, 2))), file("y", layer(1, chunks=(1, 2)))]
    assert keep(twice, Relatives()).saved[LAYERS] == 10_000
    assert keep(twice, Relatives(), frozenset(STEPS) - {LAYERS}).saved[CHUNKS] == 10_000


def test_without_entropy_layers_and_new_chunks_are_as_long_as_they_are() -> None:
    kept = keep([file("x", layer(1, chunks=(1, 2)), layer(2, chunks=(2, 3)))], Relatives(), frozenset({CHUNKS}))
    assert sum(kept.saved.values()) == 5000
    assert kept.coded == 0


def test_a_file_that_was_not_measured_stays_as_it_is() -> None:
    found = changes([File("f", "lost", 777, None, ())], Relatives())
    assert found[STORED] == 777
    assert found[TOTAL] == 777 + 20 + 64


LAYERS_OF = st.builds(
    layer, st.integers(1, 6), st.just(9000), st.sampled_from([100, 8000, 9000]),
    st.lists(st.integers(1, 5), max_size=3).map(tuple),
)  # fmt: skip
FILES_OF = st.lists(
    st.builds(lambda name, layers, family: file(name, *layers, family=family), st.sampled_from("xyz"),
              st.lists(LAYERS_OF, max_size=4), st.sampled_from("fg")), max_size=5,
)  # fmt: skip
CONTENTS = st.integers(1, 6).map(lambda number: f"c{number}")
KNOWN = st.builds(
    Relatives,
    st.dictionaries(CONTENTS, st.sets(CONTENTS, max_size=2)),
    st.dictionaries(CONTENTS, st.lists(st.tuples(st.integers(1, 12_000), CONTENTS), max_size=3)),
)


@given(FILES_OF, KNOWN)
def test_the_parts_sum_to_the_whole(files: list[File], known: Relatives) -> None:
    rows = waterfall(files, known)
    assert [row["step"] for row in rows] == [STORED, *STEPS, METADATA, TOTAL]
    sizes = [int(str(row["bytes"])) for row in rows]
    assert sizes[0] == sum(item.bytes for item in files)
    assert sum(sizes[:-1]) == sizes[-1]
    assert all(size <= 0 for size in sizes[1:-2])


@given(FILES_OF, KNOWN)
def test_leaving_everything_out_leaves_the_bytes_as_stored(files: list[File], known: Relatives) -> None:
    kept = keep(files, known, frozenset())
    assert sum(kept.saved.values()) == 0
    assert kept.references == len(files) + sum(len(item.layers) for item in files)


@pytest.mark.parametrize(("kind", "pairs"), [("cast", 1), ("transposition", 1), ("cast and reordered", 0)])
def test_what_other_measures_found_is_read_from_their_shards(kind: str, pairs: int, tmp_path: Path) -> None:
    twins = {"content_a": ["c1"], "content_b": ["c2"], "kind": [kind]}
    deltas = {"content": ["c3", "c3"], "base_content": ["c1", "c2"], "codec": ["xor", "xor"], "bytes_out": [70, 60]}
    files = (("m", "a"), ("m", "b"))
    groups = []
    for step, name, table in (("twins", "twins", twins), ("deltas:xor", "layer_deltas", deltas)):
        key = step.ljust(32, "0")
        with ShardWriter(tmp_path, key) as shard:
            shard.emit(name, pa.table(table))
        groups.append(GroupEntry(step=step, files=files, shard=key))
    manifest = Manifest(study="all", measures={}, models=(), failures=(), groups=tuple(groups))
    known = module.relatives_of(ShardIndex(manifest, tmp_path))
    assert len(known.twins) == 2 * pairs
    assert known.deltas == {"c3": [(70, "c1"), (60, "c2")]}


def test_a_study_without_the_measure_has_an_empty_table(tmp_path: Path) -> None:
    manifest = Manifest(study="all", measures={}, models=(), failures=())
    assert module.tables(ShardIndex(manifest, tmp_path), {})["waterfall"].empty
