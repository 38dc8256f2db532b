from __future__ import annotations

import io
import math
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.numpy import save_file

from analysis.aggregate import elves as aggregated
from analysis.aggregate.elves_steps import LAYER, ablation
from analysis.evaluation import coded
from analysis.evaluation.errors import errors
from analysis.evaluation.floor import corrected_bits, plug_in_bits
from analysis.evaluation.inputs import input_rows
from analysis.evaluation.methods import METHODS, OWN, PUBLISHED
from analysis.evaluation.published import distance_bytes, published_rows, tar_zstd
from analysis.evaluation.relatives import delta_rows
from analysis.evaluation.run import run_part
from analysis.evaluation.subject import subject_of
from analysis.measures import elves, elves_family
from analysis.measures.elves import ElvesParams
from elf.codecs.distance import Distance
from elf.codecs.peers import PEERS
from elf.codecs.varint import varint
from elf.formats import open_model

RNG = np.random.default_rng(7)
WEIGHT = (RNG.standard_normal((60, 50)) * 0.05).astype(np.float32)
BROKEN = WEIGHT.copy()
BROKEN[3, 4] = np.nan
MODEL = {
    "a.weight": WEIGHT,
    "b.weight": WEIGHT.copy(),
    "c.weight": (RNG.standard_normal((30, 40)) * 0.1).astype(np.float32),
    "d.weight": BROKEN,
    "e.weight": WEIGHT.astype(np.float16),
    "f.bias": RNG.standard_normal(400).astype(np.float32),
    "optimizer.exp_avg": (RNG.standard_normal((60, 50)) * 1e-9).astype(np.float32),
    "g.ids": np.arange(300, dtype=np.int64),
}
ELIGIBLE = ["a.weight", "b.weight", "c.weight"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "model.safetensors"
    save_file(MODEL, made)
    return made


def part(path: Path, method: str, step: int) -> dict[str, pd.DataFrame]:
    pieces: dict[str, list[pa.Table]] = defaultdict(list)
    with open_model(path) as model:
        run_part(model, method, step, lambda name, table: pieces[name].append(table))
    return {name: pa.concat_tables(tables).to_pandas() for name, tables in pieces.items()}


def test_eligible_are_weights_that_the_rule_lets_lose_something(path: Path) -> None:
    layers = part(path, "lossless", 0)["layers"].set_index("name")
    assert sorted(layers.index[layers["eligible"]]) == ELIGIBLE
    assert layers.loc["d.weight", "reason"] == "it holds NaN or infinity"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gets_the_same_layers_and_counts_every_value(path: Path, method: str) -> None:
    if PEERS[method].installed() is None:
        pytest.skip("not installed")
    step = PUBLISHED if method not in elves.PEERS[-4:] else OWN
    rows = part(path, method, step)["coded"]
    with open_model(path) as model:
        numbers = {layer.number for layer in subject_of(model).eligible}
    for _, setting in rows.groupby("setting"):
        assert set(setting["number"]) == numbers
        assert not setting["refused"].any()
    if step == PUBLISHED:
        assert rows["max_abs_error"].max() <= 2.0**-24
        assert rows["n_beyond"].sum() == 0


def test_elves_sizes_and_errors_are_those_of_the_file_it_writes(path: Path, tmp_path: Path) -> None:
    import elf

    summary = elf.compress(path, tmp_path / "out.elves.safetensors")
    found, exact = part(path, "elves", PUBLISHED), part(path, "lossless", 0)
    sizes = found["choices"].set_index("number")["bytes_out"]
    layers = exact["layers"].set_index("number")
    twin = layers.index[layers["name"] == "b.weight"]
    assert abs(sizes.drop(twin).sum() + exact["file"]["bytes_container"][0] - summary.bytes_out) <= 128
    assert 0 < found["coded"]["max_abs_error"].max() <= 2.0**-24


def test_layers_and_the_rest_sum_to_the_whole_file(path: Path) -> None:
    exact = part(path, "lossless", 0)
    whole = exact["file"].iloc[0]
    assert exact["layers"]["bytes_in"].sum() + whole["bytes_rest"] == whole["bytes_in"] == path.stat().st_size
    assert whole["bytes_zstd"] == len(zstandard.ZstdCompressor(level=3).compress(path.read_bytes()))


def test_shares_of_a_stream_sum_to_it_and_identical_layers_are_in_it_once(path: Path) -> None:
    rows = part(path, "uniform", 16)["coded"]
    with open_model(path) as model:
        subject = subject_of(model)
        own = [layer for layer, first in subject.once(subject.eligible) if layer is first]
        twins = {layer.number: first.number for layer, first in subject.once(subject.eligible)}
        together = next(setting for setting in METHODS["uniform"](16) if setting.together)
        values = np.concatenate([subject.values(layer) for layer in own])
    data = together.codec.encode(values, "f32")
    assert data is not None
    shares = rows[rows["setting"] == together.name].set_index("number")["bytes_out"]
    frame = coded.frame_bytes(together.codec, "f32", (values.size,), values.size) + 3 * len(own)
    assert shares[[layer.number for layer in own]].sum() == len(data) + frame
    assert all(shares[number] == shares[first] for number, first in twins.items())


def test_streams_are_cut_where_they_would_grow_too_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = part(path, "uniform", 16)["coded"]
    monkeypatch.setattr(coded, "STREAM_BYTES", 5000)
    cut = part(path, "uniform", 16)["coded"]
    assert list(cut["number"]) == list(whole["number"])
    assert cut["n_changed"].sum() == whole["n_changed"].sum()


def test_a_peer_that_fails_is_a_row_of_failures_and_its_layers_are_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no more\nmemory")

    monkeypatch.setattr(PEERS["uniform"], "encode", fail)
    found = part(path, "uniform", 16)
    assert set(found["failures"]["reason"]) == {"no more memory"}
    assert found["coded"]["refused"].all()
    assert set(found["coded"]["bytes_out"]) == {WEIGHT.nbytes, MODEL["c.weight"].nbytes}


def test_a_peer_that_is_not_installed_is_a_named_gap(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PEERS["sz3"], "installed", classmethod(lambda _: None))
    found = part(path, "sz3", PUBLISHED)
    assert set(found) == {"inputs"}
    assert list(found["inputs"]["outcome"]) == ["not installed"]
    assert found["inputs"]["detail"][0] == "pip install pysz adds it"


def test_what_zfp_makes_of_nan_is_shown_as_broken() -> None:
    outcomes = {row["input"]: row["outcome"] for row in input_rows("zfp")}
    if "" in outcomes:
        pytest.skip("not installed")
    assert outcomes["NaN"] == outcomes["infinity"] == "broken"
    assert outcomes["ordinary weights"] == outcomes["one element"] == "kept"


NUMBERS = st.floats(width=32) | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e-45])


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=50), st.sampled_from([0.0, 1.0, math.inf]))
@settings(max_examples=200, deadline=None)
def test_errors_are_those_of_the_obvious_loop(pairs: list[tuple[float, float]], bound: float) -> None:
    before, after = np.array([a for a, _ in pairs], "<f4"), np.array([b for _, b in pairs], "<f4")
    found = errors(before, after, "f32", bound)
    changed = [(float(a), float(b)) for a, b in zip(before, after, strict=True) if a.tobytes() != b.tobytes()]
    distances = [math.inf if math.isnan(a - b) else abs(a - b) for a, b in changed]
    assert found.n_changed == len(changed)
    assert found.max_abs_error == max(distances, default=0)
    assert found.n_beyond == sum(distance > bound for distance in distances)
    assert found.n_zeroed == sum(b == 0 and a != 0 for a, b in changed)
    assert found.sum_sq_error == pytest.approx(sum(distance**2 for distance in distances))


@pytest.mark.parametrize("deviation", [3.0, 100.0, 1e4, 4e5])
def test_the_floor_is_near_the_entropy_that_is_known_and_plug_in_below(deviation: float) -> None:
    codes = np.rint(RNG.standard_normal(100_000) * deviation).astype(np.int32)
    known = math.log2(deviation * math.sqrt(2 * math.pi * math.e))
    assert corrected_bits(codes) / codes.size == pytest.approx(known, abs=0.03)
    assert plug_in_bits(codes) <= corrected_bits(codes) + 1


def test_the_floor_sees_a_common_factor_and_few_codes() -> None:
    codes = np.rint(RNG.standard_normal(50_000) * 50).astype(np.int32)
    assert corrected_bits(codes * 4096) == corrected_bits(codes)
    scattered = RNG.integers(-(1 << 23), 1 << 23, 16)[RNG.integers(0, 16, 10_000)]
    assert corrected_bits(scattered.astype(np.int32)) == pytest.approx(40_000, rel=0.01)
    assert corrected_bits(np.zeros(5, np.int32)) == corrected_bits(np.ones(1, np.int32)) == 0


@given(st.lists(st.sampled_from([0.0, -0.0, 1.5, 2.5, math.nan]), min_size=1, max_size=300), st.sampled_from("248"))
@settings(max_examples=100, deadline=None)
def test_distance_bytes_are_those_of_the_codec_without_its_count(numbers: list[float], width: str) -> None:
    values = np.array(numbers, f"<f{width}")
    data = Distance().encode(values, {"2": "f16", "4": "f32", "8": "f64"}[width])
    distinct = len({value.tobytes() for value in values})
    assert distance_bytes(values) == len(data) - len(varint(distinct))


def test_the_archive_is_a_tar_behind_zstd() -> None:
    sections = [("one", [b"abc" * 500, b"d"]), ("two", [])]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, pieces in sections:
            info = tarfile.TarInfo(name)
            info.size = sum(map(len, pieces))
            archive.addfile(info, io.BytesIO(b"".join(pieces)))
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    assert tar_zstd(sections) == len(compressor.compress(stream.getvalue())) + len(compressor.flush())


def test_the_published_pipeline_leaves_out_what_it_cannot_restore(path: Path) -> None:
    tables: list[pa.Table] = []
    with open_model(path) as one, open_model(path) as other:
        published_rows([one, other], lambda _, table: tables.append(table))
    first, second = tables[0].to_pylist()
    floats = sum(array.nbytes for name, array in MODEL.items() if array.dtype.kind == "f" and name != "b.weight")
    assert first["bytes_float"] == first["bytes_raw"] == floats
    assert first["bytes_shared"] == WEIGHT.nbytes
    assert first["bytes_other"] == MODEL["g.ids"].nbytes
    assert first["bytes_corrected"] > first["bytes_as_was"]
    assert second["bytes_float"] == second["bytes_other"] == 0
    assert second["chosen"] == "raw"


def test_deltas_are_measured_against_the_nearest_earlier_file_that_differs(path: Path, tmp_path: Path) -> None:
    changed = MODEL | {"c.weight": MODEL["c.weight"] * np.float32(1 + 2.0**-20)}
    save_file(changed, tmp_path / "other.safetensors")
    tables: list[pa.Table] = []
    with open_model(path) as one, open_model(tmp_path / "other.safetensors") as other:
        delta_rows([one, one, other], lambda _, table: tables.append(table))
        [number] = [layer.number for layer in subject_of(one).layers if layer.tensor.name == "c.weight"]
    [row] = tables[0].to_pylist()
    assert (row["index"], row["number"], row["relative_index"], row["relative_number"]) == (2, number, 1, number)
    assert row["bytes_out"] < MODEL["c.weight"].nbytes / 3


def test_a_delta_is_added_only_where_it_pays_for_keeping_its_relative_exactly() -> None:
    rows = [("x", "a", "f", 0, "1"), ("x", "b", "f", 0, "2"), ("x", "c", "f", 0, "3")]
    layers = pd.DataFrame(rows, columns=["family", "model", "file", "number", "digest"]).assign(first=True)
    sizes = [(*row[:4], codec, size) for row in rows for codec, size in (("stored", 100), ("split", 80), ("elf", 60))]
    files = layers[["family", "model", "file"]].assign(bytes_in=110, bytes_rest=10, bytes_container=5)
    relatives = {"relative_model": "a", "relative_file": "f", "relative_number": 0}
    delta = layers[LAYER].iloc[1:].assign(bytes_out=[10, 55], **relatives)
    found = ablation(layers, pd.DataFrame(sizes, columns=[*LAYER, "codec", "bytes_out"]), files, delta)
    totals = found.groupby(["step", "how"])["bytes_out"].sum()
    assert totals["all", "alone"] == 3 * 60 + 15
    assert totals["delta", "alone"] == 100 + 10 + 55 + 15
    assert totals["delta", "added"] == 80 + 10 + 55 + 15
    assert totals["lossy", "left out"] == 3 * 80 + 15
    expensive = delta.assign(bytes_out=[45, 70])
    again = ablation(layers, pd.DataFrame(sizes, columns=[*LAYER, "codec", "bytes_out"]), files, expensive)
    assert again.groupby(["step", "how"])["bytes_out"].sum()["delta", "added"] == totals["all", "alone"]


def test_identical_layers_of_a_family_count_once_whatever_the_order() -> None:
    rows = [("x", "a", 0, "1"), ("x", "b", 0, "1"), ("x", "b", 1, "2"), ("y", "c", 0, "1")]
    columns = ["family", "model", "number", "digest"]
    layers = pd.DataFrame(rows, columns=columns).assign(file="f", derived=False)
    for order in (layers, layers.iloc[::-1]):
        found = aggregated.with_first(order)
        assert found.groupby("family")["first"].sum().to_dict() == {"x": 2, "y": 1}


def test_the_peers_of_the_yaml_are_those_that_have_settings_and_exist() -> None:
    assert set(elves.PEERS) == set(METHODS) <= set(PEERS)


def test_an_unknown_peer_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match="sz4: no such peer; there are: sz3, zfp"):
        ElvesParams(peers=["sz4"])
    with pytest.raises(ValidationError, match="twice"):
        ElvesParams(bounds=[24, 24])


def test_parts_ask_together_for_everything_once() -> None:
    parts = elves.MEASURE.parts(ElvesParams())
    assert {"lossless@0", "elves@24", "elves@10", "sz3@12", "int8@0", "elf-published@24", "floor@16"} <= set(parts)
    assert all(len(one.ours) + len(one.peers) == 1 and len(one.bounds) <= 1 for one in parts.values())
    assert "elf-published@20" not in parts
    assert elves_family.MEASURE.parts(elves_family.ElvesFamilyParams()).keys() == {"published", "delta"}
