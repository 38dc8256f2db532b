"""What the measure `compression` promises: whole files accounted for, every bit checked, failures as rows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from pydantic import ValidationError
from safetensors.numpy import save_file

from analysis.compression import coding, methods, sampling, units
from analysis.compression.methods import Method
from analysis.compression.xet import grouped, ungroup
from analysis.measures.compression import MEASURE, CompressionParams
from elf.codecs.base import Codec, Values
from elf.codecs.peers import PEERS
from elf.codecs.peers.base import Peer, fill
from elf.formats import open_model
from elf.formats.base import ModelFile

RNG = np.random.default_rng(5)
TENSORS = {
    "weight": (RNG.standard_normal((60, 50)) * 0.05).astype(np.float32),
    "half": (RNG.standard_normal(501) * 0.05).astype(np.float16),
    "table": RNG.integers(0, 9, 700),
    "flags": np.array([True, False, True]),
    "nothing": np.zeros((0, 3), np.float32),
    "one": np.array([-0.0], np.float32),
    "odd": np.array([np.nan, np.inf, -np.inf, -0.0, 1e-40], np.float32),
}


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ModelFile]:
    save_file(TENSORS, tmp_path / "m.safetensors", {"format": "pt"})
    with open_model(tmp_path / "m.safetensors") as found:
        yield found


def measured(model: ModelFile, params: CompressionParams) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for part in MEASURE.parts(params).values():
        MEASURE.run(model, part, lambda name, table: found[name].extend(table.to_pylist()))
    return found


def only(*names: str, **more: Any) -> CompressionParams:
    return CompressionParams(**{"methods": list(names), "sampled": [], "whole": [], "xet": False, **more})


def test_layers_and_the_rest_sum_to_the_whole_file(model: ModelFile) -> None:
    rows = measured(model, only("identity", chunks=[4096]))["compression"]
    size = model.part(0).size
    by_granularity: dict[str, int] = defaultdict(int)
    for row in rows:
        by_granularity[row["granularity"]] += row["bytes_in"]
        assert row["bytes_out"] == row["bytes_in"]
    assert by_granularity["layer"] + by_granularity["rest"] == size
    assert by_granularity["file"] == by_granularity["chunk-4096"] == size


def test_sizes_are_those_of_coding_every_unit_apart(model: ModelFile) -> None:
    rows = measured(model, only("zstd:level=3", chunks=[4096]))["compression"]
    coder = zstandard.ZstdCompressor(level=3, write_content_size=False)

    def size(pieces: list[bytes]) -> int:
        return sum(min(len(coder.compress(piece)), len(piece)) + 4 for piece in pieces if piece)

    whole = model.part(0).tobytes()
    expected = {
        ("file", ""): size([whole]),
        ("chunk-4096", ""): size([whole[at : at + 4096] for at in range(0, len(whole), 4096)]),
        ("layer", "f16"): size([TENSORS["half"].tobytes()]),
        ("layer", "f32"): size([TENSORS[name].tobytes() for name in ("weight", "one", "odd")]),
        ("layer", "i64"): size([TENSORS["table"].tobytes()]),
    }
    got = {(row["granularity"], row["dtype"]): row["bytes_out"] for row in rows}
    assert {key: got[key] for key in expected} == expected


def test_every_method_there_is_measures_a_file_of_hostile_values(model: ModelFile) -> None:
    found = measured(model, CompressionParams())
    missing = {name for name, peer in PEERS.items() if peer.lossless and not peer.installed()}
    assert {Method(row["method"]).codec for row in found["failures"]} <= missing
    assert {row["codec"] for row in found["compression"]} >= {Method(text).codec for text in methods.every()} - missing
    assert all(row["bytes_out"] <= row["bytes_in"] + 8 * row["n_units"] for row in found["compression"])


@dataclass(frozen=True)
class Toy(Peer):
    """A newcomer's codec: the bytes backwards, behind as many zeros as asked for."""

    name = "toy"
    package = "numpy"
    pad: int = 0

    def encode(self, values: Values, dtype: str) -> bytes:  # noqa: ARG002
        return bytes(self.pad) + values.tobytes()[::-1]

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:  # noqa: ARG002
        fill(out, bytes(data[self.pad :])[::-1])


@contextmanager
def registered(peer: type[Peer], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setitem(PEERS, peer.name, peer)
        yield


def test_one_line_in_the_table_of_peers_brings_a_codec_into_the_tables(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(MEASURE.parts(CompressionParams()))
    with registered(Toy, monkeypatch):
        parts = MEASURE.parts(CompressionParams())
        assert set(parts) - before == {"toy"}, "a new codec is one new part: no other part is measured again"
        rows: list[dict[str, Any]] = []
        MEASURE.run(model, parts["toy"], lambda _, table: rows.extend(table.to_pylist()))
    assert {(row["granularity"], row["codec"], row["params"]) for row in rows} == {("layer", "toy", "pad=0")}
    assert {row["dtype"] for row in rows} == {"f32", "f16", "i64", "bool"}


def failing(kind: type[Peer], model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    with registered(kind, monkeypatch):
        found = measured(model, only("toy", "identity"))
    assert {row["codec"] for row in found["compression"]} == {"identity"}, "the others are measured all the same"
    return found["failures"]


def test_a_package_that_is_not_there_is_a_row_with_the_command_that_adds_it(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Absent(Toy):
        package = "no-such-package"

    [row] = failing(Absent, model, monkeypatch)
    assert row["method"] == "toy"
    assert row["reason"] == "no-such-package is not installed: python -m pip install no-such-package"


def test_a_codec_that_changes_a_bit_is_a_row_of_failures(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    class Merging(Toy):
        def encode(self, values: Values, dtype: str) -> bytes:
            return (values + 0).tobytes()[::-1] if dtype == "f32" else super().encode(values, dtype)  # -0.0 to 0.0

    [row] = failing(Merging, model, monkeypatch)
    assert "toy gave other bits back" in row["reason"]


def test_a_codec_that_raises_is_a_row_of_failures(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    class Raising(Toy):
        def encode(self, values: Values, dtype: str) -> bytes:  # noqa: ARG002
            raise RuntimeError("no\nmore")

    [row] = failing(Raising, model, monkeypatch)
    assert (row["error"], row["reason"]) == ("RuntimeError", "no more")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("zstdd", "unknown codec 'zstdd'; there are: "),
        ("zstd:levl=3", "parameters of zstd are: level"),
        ("split:level=3", "parameters of split are: none"),
        ("zstd:level=high", "parameters are integers"),
        ("planes+zstd", "unknown transform 'planes'; there are: byte_planes"),
    ],
)
def test_an_unknown_method_names_what_there_is(name: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CompressionParams(methods=[name])


def test_an_upgraded_package_measures_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = MEASURE.facts(only("lz4:level=0"))
    monkeypatch.setattr(PEERS["lz4"], "installed", classmethod(lambda _: "99"))
    assert MEASURE.facts(only("lz4:level=0")) != before
    assert MEASURE.facts(only("zstd:level=3")) == MEASURE.facts(only("zstd:level=3"))


def test_large_layers_are_coded_in_pieces_that_sum_to_their_bytes(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "PIECE_BYTES", 1000)
    pieces = [piece for piece in units.layers(model) if piece.dtype == "f32"]
    assert len(pieces) == 12 + 2
    assert sum(piece.bytes_in for piece in pieces) == 12000 + 4 + 20
    assert b"".join(piece.values.tobytes() for piece in pieces)[:12000] in model.part(0).tobytes()


def test_a_sample_of_every_block_is_exact(model: ModelFile) -> None:
    plan = sampling.Plan(block=1024, one_in=1, least=2, seed=1)
    row = sampling.sampled(model, Method("zstd:level=3").coder, plan)
    total = coding.totals(units.chunks(model, 1024), Method("zstd:level=3").coder)[""]
    assert row is not None
    assert row["variance"] == 0
    assert (row["n_blocks"], row["n_sampled"], row["bytes"]) == (total.n_units, total.n_units, total.bytes_in)
    assert math.isclose(float(str(row["estimate"])), total.bytes_out)


def test_intervals_of_samples_cover_the_truth_as_often_as_they_say(model: ModelFile) -> None:
    coder = Method("zstd:level=3").coder
    truth = coding.totals(units.chunks(model, 256), coder)[""].bytes_out
    covered = 0
    for seed in range(200):
        row: Any = sampling.sampled(model, coder, sampling.Plan(block=256, one_in=3, least=4, seed=seed))
        covered += abs(row["estimate"] - truth) <= 1.96 * math.sqrt(row["variance"])
    assert covered >= 160


def test_a_sample_is_the_same_on_every_run_and_another_from_another_seed() -> None:
    plan = sampling.Plan(1024, 16, 4, 7)
    assert plan.drawn(1000).tolist() == plan.drawn(1000).tolist()
    assert plan.drawn(1000).size == 63
    assert plan.drawn(3).tolist() == [0, 1, 2]
    assert plan.drawn(1000).tolist() != sampling.Plan(1024, 16, 4, 8).drawn(1000).tolist()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 1023])
def test_bytes_grouped_by_four_come_back(size: int) -> None:
    data = RNG.integers(0, 256, size).astype(np.uint8)
    out = np.empty_like(data)
    ungroup(grouped(data), out)
    assert np.array_equal(out, data)
    assert grouped(np.arange(9, dtype=np.uint8)).tolist() == [0, 4, 8, 1, 5, 2, 6, 3, 7]


def test_the_hub_never_stores_more_than_raw_chunks_and_their_headers(model: ModelFile) -> None:
    rows = measured(model, only(xet=True))["compression"]
    by_codec = {row["codec"]: row for row in rows}
    assert by_codec["xet"]["bytes_out"] <= by_codec["xet-lz4"]["bytes_out"]
    assert by_codec["xet-lz4"]["bytes_out"] <= model.part(0).size + 8 * by_codec["xet"]["n_units"]


def test_a_file_of_unknown_format_is_measured_as_bytes(tmp_path: Path) -> None:
    for size in (1, 5000):
        path = tmp_path / f"{size}.bin"
        path.write_bytes(bytes(size))
        with open_model(path) as opened:
            found = measured(opened, CompressionParams(methods=["zstd:level=3", "split"]))
        assert not found["failures"]
        assert sum(row["bytes_in"] for row in found["compression"] if row["granularity"] == "file") == size


def test_the_harness_hands_codecs_what_they_take(model: ModelFile) -> None:
    class Picky(Codec):
        name = "picky"

        def applies(self, dtype: str) -> bool:
            return dtype == "f16"

        def encode(self, values: Values, dtype: str) -> bytes | None:  # noqa: ARG002
            assert dtype == "f16"
            return None

        def decode(self, data: memoryview, out: Values, dtype: str) -> None:  # noqa: ARG002
            raise AssertionError

    found = coding.totals(units.layers(model), Picky())
    assert {name: (total.n_units, total.n_kept) for name, total in found.items()} == {"f16": (1, 1)}


def test_rows_have_the_columns_of_the_shard_table(model: ModelFile) -> None:
    tables: list[pa.Table] = []
    MEASURE.run(model, only("identity"), lambda _, table: tables.append(table))
    assert all(table.schema == tables[0].schema for table in tables)
