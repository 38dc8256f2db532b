"""Deltas come back bit by bit, count every byte, and what a store makes of them never needs itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_files import study
from pydantic import ValidationError
from safetensors.numpy import save_file

from analysis.aggregate import deltas, pipeline
from analysis.aggregate.pipeline import Sizes, StoredFile, best_deltas
from analysis.measures import MEASURES
from analysis.measures.deltas import DeltasParams
from analysis.relatives import deltas as measured
from elf import payload
from elf.codecs.delta import Xor
from elf.formats import open_model

RNG = np.random.default_rng(20261126)
BASE = {
    "w": RNG.normal(0, 0.05, (80, 50)).astype(np.float32),
    "hostile": np.array([0.0, -0.0, np.inf, np.nan, 1e-45], np.float32),
    "one": np.array(2.5, np.float64),
    "steps": np.arange(300, dtype=np.int64),
    "mask": RNG.integers(0, 2, 77).astype(bool),
    "empty": np.empty((0, 3), np.float32),
}
TUNED = {name: np.roll(values, 1) for name, values in BASE.items()} | {
    "one": np.array(3.5, np.float64),
    "w": BASE["w"] + RNG.normal(0, 1e-5, (80, 50)).astype(np.float32),
}
MEASURED = ["hash_dedup", "tensor_codes", "relatives", "deltas"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    models = {
        "a-1": {"base": BASE},
        "a-2": {"tuned": TUNED},
        "a-3": {"again": TUNED},
        "b-1": {"other": {"x": TUNED["w"]}},
    }
    return deltas.tables(study(tmp_path_factory.mktemp("deltas"), models, MEASURED), {})


def size(tables: dict[str, pd.DataFrame], unit: str, method: str) -> int:
    rows = tables["deltas"]
    return int(rows[(rows["unit"] == unit) & (rows["method"] == method)]["bytes_out"].iloc[0])


def test_a_delta_against_a_relative_is_smaller_than_the_same_codec_alone(tables: dict[str, pd.DataFrame]) -> None:
    assert len(tables["deltas"][["file_a", "file_b"]].drop_duplicates()) == 1
    assert size(tables, "layers", "xor") < size(tables, "layers", "split") < size(tables, "layers", "identity")
    assert size(tables, "layers", "best") <= min(
        size(tables, "layers", name) for name in ("xor", "difference", "split")
    )
    assert {"identity", "zstd", "patch-from"} == set(tables["deltas"].query("unit == 'file'")["method"])


def test_all_methods_of_a_unit_have_the_same_bytes_in(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["deltas"]
    changed = [name for name, values in BASE.items() if not np.array_equal(values, TUNED[name]) or name == "hostile"]
    changed = [name for name in changed if BASE[name].size]
    assert set(rows[rows["unit"] == "layers"]["bytes_in"]) == {sum(TUNED[name].nbytes for name in changed)}
    assert (rows["bytes_out"] <= rows["bytes_in"] + 100).all()


@pytest.mark.parametrize("method", ["xor", "difference", "patch-from"])
def test_a_codec_that_does_not_give_its_input_back_is_a_failure(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyzstd

    for name, content in (("base", BASE), ("tuned", TUNED)):
        save_file(content, tmp_path / name)
    monkeypatch.setattr(payload.Payload, "decode", lambda *_, **__: np.zeros(1, np.uint8))
    monkeypatch.setattr(pyzstd, "decompress", lambda *_: b"")
    found: dict[str, list[pa.Table]] = {}
    with open_model(tmp_path / "base") as one, open_model(tmp_path / "tuned") as two:
        measured.code_deltas([one, two], method, lambda name, rows: found.setdefault(name, []).append(rows))
    failures = pa.concat_tables(found["failures"]).to_pylist()
    assert all(row["method"] == method and row["error"].startswith("Not") for row in failures)
    assert any("layer 'w'" in row["reason"] for row in failures)
    assert found["layer_deltas"][0].num_rows == 0


def test_without_pyzstd_patch_from_is_a_named_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(BASE, tmp_path / "base")
    monkeypatch.setattr(measured, "patch_version", lambda: None)
    found: dict[str, pa.Table] = {}
    with open_model(tmp_path / "base") as one:
        measured.code_deltas([one, one], "patch-from", found.__setitem__)
    assert "pip install" in found["failures"].to_pylist()[0]["reason"]
    assert set(found) == {"failures"}


def test_the_size_of_a_delta_is_that_of_its_payload(tmp_path: Path) -> None:
    for name, content in (("base", {"w": BASE["w"]}), ("tuned", {"w": TUNED["w"]})):
        save_file(content, tmp_path / name)
    found: dict[str, pa.Table] = {}
    with open_model(tmp_path / "base") as one, open_model(tmp_path / "tuned") as two:
        measured.code_deltas([one, two], "xor", found.__setitem__)
    codec = Xor().against(BASE["w"].reshape(-1))
    data = payload.encode(TUNED["w"].reshape(-1), "f32", (80, 50), codec)
    assert data is not None
    assert found["layer_deltas"].to_pylist()[0]["bytes_out"] == len(data)


def test_patch_from_reaches_back_over_a_whole_large_base() -> None:
    base = np.frombuffer(RNG.bytes(9_000_000), np.uint8)
    assert measured._patch_size(base, base[: 1 << 20].copy(), 3) < 20_000


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9])
def test_patch_from_takes_any_base_however_short(n: int) -> None:
    data = np.arange(n, dtype=np.uint8)
    assert measured._patch_size(data, np.arange(3, dtype=np.uint8), 3) > 0


def test_each_step_of_the_pipeline_keeps_less_and_has_the_whole_study_as_bytes_in(
    tables: dict[str, pd.DataFrame],
) -> None:
    rows = tables["pipeline"]
    whole = rows[rows["scope"] == "study"]
    assert list(whole["step"].str[0]) == list("0123456")
    assert whole["bytes_in"].nunique() == 1
    assert whole["bytes_payload"].is_monotonic_decreasing
    assert whole.set_index("step").loc["5 zipllm", "n_deltas"] >= 1
    assert set(rows[rows["scope"] == "without_family"]["name"]) == {"a", "b"}


CONTENTS = st.sampled_from("abcdef")


@given(
    st.lists(CONTENTS, min_size=1, max_size=10),
    st.lists(st.tuples(CONTENTS, CONTENTS, st.integers(0, 120)), max_size=20),
)
def test_no_tensor_is_kept_as_a_delta_of_itself_however_far_round(
    order: list[str], offers: list[tuple[str, str, int]]
) -> None:
    found: dict[str, list[tuple[str, str, int]]] = {}
    for content, base, bytes_out in offers:
        found.setdefault(content, []).append(("xor", base, bytes_out))
    file = StoredFile("f", ("h",), 1000, tuple((content, 100) for content in order))
    stored = pipeline.distinct_tensors([file])
    chosen = best_deltas(stored, Sizes({}, found), frozenset(), frozenset({"xor"}))
    assert set(chosen) == set(order)
    for content in chosen:
        seen, at = {content}, chosen[content][0]
        while at is not None:
            assert at not in seen
            seen.add(at)
            at = chosen[at][0]


def test_a_delta_is_taken_where_it_pays_for_naming_its_base() -> None:
    stored = {"a": 100, "b": 100, "c": 100}
    sizes = Sizes({"b": {"split": 90}}, {"b": [("xor", "a", 71)], "c": [("xor", "b", 79), ("difference", "a", 10)]})
    chosen = best_deltas(stored, sizes, frozenset({"split"}), frozenset({"xor"}))
    assert chosen == {"a": (None, 100), "b": (None, 90), "c": ("b", 79)}


@pytest.mark.parametrize(
    "wrong", [{"methods": ["bitx"]}, {"methods": []}, {"methods": ["xor", "xor"]}, {"method": ["xor"]}]
)
def test_a_wrong_parameter_is_refused_and_the_right_ones_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        DeltasParams.model_validate(wrong)
    if wrong == {"methods": ["bitx"]}:
        assert "'xor', 'difference' or 'patch-from'" in str(caught.value)


def test_each_method_is_a_part_with_its_own_facts() -> None:
    measure = MEASURES["deltas"]
    parts = measure.parts(DeltasParams())
    assert {name: part.methods for name, part in parts.items()} == {
        name: (name,) for name in ("xor", "difference", "patch-from")
    }
    assert "pyzstd" in measure.facts(parts["patch-from"])
    assert "pcodec" in measure.facts(parts["xor"])


@pytest.mark.parametrize("method", ["xor", "difference"])
def test_a_large_layer_is_several_payloads_that_come_back_too(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("base", {"w": BASE["w"]}), ("tuned", {"w": TUNED["w"]})):
        save_file(content, tmp_path / name)
    sizes = []
    for limit in (1 << 26, 5000):
        monkeypatch.setattr(measured, "PIECE_BYTES", limit)
        found: dict[str, pa.Table] = {}
        with open_model(tmp_path / "base") as one, open_model(tmp_path / "tuned") as two:
            measured.code_deltas([one, two], method, found.__setitem__)
            measured.code_alone(two, found.__setitem__)
        assert "failures" not in found
        sizes.append((found["layer_deltas"].to_pylist()[0]["bytes_out"], found["codes"].to_pylist()[0]["bytes_out"]))
    assert all(whole < pieces < 1.2 * whole for whole, pieces in zip(*sizes, strict=True))
