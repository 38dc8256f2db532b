"""What two related files share is what a slow count over their numbers says, whatever the numbers are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from measured_files import study

from analysis.aggregate import relatives
from analysis.relatives import kinship
from analysis.relatives.kinship import as_float64, field_of

RNG = np.random.default_rng(20261126)
HOSTILE = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3e38, -1.0], np.float32)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(0, 0.05, shape).astype(np.float32)


def tuned(values: np.ndarray) -> np.ndarray:
    other = values.copy()
    other[::2] += (RNG.normal(0, 1e-4, other[::2].shape)).astype(values.dtype)
    return other


BASE = {"w": normal(60, 50), "same": normal(40), "b.bias": np.tile(HOSTILE, 3), "half": normal(300).astype(np.float16)}
TUNED = {
    "w": tuned(BASE["w"]),
    "same": BASE["same"],
    "b.bias": np.roll(BASE["b.bias"], 1),
    "half": tuned(BASE["half"]),
}
STRANGER = {name: normal(*value.shape).astype(value.dtype) for name, value in BASE.items()}
MODELS = {
    "a-1": {"base": BASE},
    "a-2": {"tuned": TUNED},
    "b-1": {"stranger": STRANGER},
    "b-derived": {"copy": TUNED},
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    index = study(tmp_path_factory.mktemp("relatives"), MODELS, ["hash_dedup", "relatives"])
    return relatives.tables(index, {})


def row(tables: dict[str, object], file_b: str, dtype: str, role: str) -> dict[str, object]:
    rows = tables["relatives"]
    rows = rows[(rows.file_a == "base") & (rows.file_b == file_b) & (rows.dtype == dtype) & (rows.role == role)]
    return rows.to_dict("records")[0]


def test_every_pair_but_those_with_derived_models_is_there(tables: dict[str, object]) -> None:
    pairs = tables["relatives"][["file_a", "file_b"]].drop_duplicates().to_numpy().tolist()
    assert sorted(pairs) == [["base", "stranger"], ["base", "tuned"], ["tuned", "stranger"]]


def test_counts_are_those_of_the_numbers(tables: dict[str, object]) -> None:
    found = row(tables, "tuned", "f32", "weight")
    one, two = BASE["w"].reshape(-1), TUNED["w"].reshape(-1)
    assert (found["n_layers"], found["n_params"]) == (1, 3000)
    assert found["n_equal"] == np.count_nonzero(one.view("u4") == two.view("u4"))
    assert found["n_sign"] == np.count_nonzero(np.signbit(one) == np.signbit(two))
    assert found["n_exponent"] == np.count_nonzero(one.view("u4") >> 23 & 255 == two.view("u4") >> 23 & 255)
    wide_one, wide_two = one.astype(np.float64), two.astype(np.float64)
    assert found["sum_ab"] == pytest.approx((wide_one * wide_two).sum(), rel=1e-12)
    assert found["sum_dd"] == pytest.approx(((wide_one - wide_two) ** 2).sum(), rel=1e-12)


def test_relatives_agree_far_beyond_chance_and_strangers_do_not(tables: dict[str, object]) -> None:
    near, far = row(tables, "tuned", "f32", "weight"), row(tables, "stranger", "f32", "weight")
    assert near["n_equal"] >= 1500
    assert near["null_equal"] <= 30
    assert far["n_equal"] == 0
    assert abs(far["n_exponent"] - far["null_exponent"]) < 150
    cosines = [found["sum_ab"] / np.sqrt(found["sum_aa"] * found["sum_bb"]) for found in (near, far)]
    assert cosines[0] > 0.99
    assert abs(cosines[1]) < 0.1


def test_values_that_are_not_finite_are_in_the_counts_and_not_in_the_sums(tables: dict[str, object]) -> None:
    found = row(tables, "tuned", "f32", "bias")
    one, two = BASE["b.bias"], TUNED["b.bias"]
    assert found["n_params"] == 24
    assert found["n_finite"] == np.count_nonzero(np.isfinite(one) & np.isfinite(two))
    assert np.isfinite(found["sum_dd"])


def test_bits_add_up_to_what_the_patterns_say(tables: dict[str, object]) -> None:
    bits = tables["relative_bits"]
    bits = bits[(bits.file_a == "base") & (bits.file_b == "tuned")].set_index(["dtype", "bit"])
    one, two = BASE["half"].view("u2"), TUNED["half"].view("u2")
    for bit in range(16):
        equal = np.count_nonzero((one ^ two) >> bit & 1 == 0)
        assert bits.loc[("f16", bit), "n_equal"] == equal
        assert bits.loc[("f16", bit), "field"] == field_of("f16", bit)
    assert len(bits.loc["f32"]) == 32


def test_large_layers_in_pieces_give_the_same_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = relatives.tables(study(tmp_path / "whole", MODELS, ["hash_dedup", "relatives"]), {})["relatives"]
    monkeypatch.setattr(kinship, "PIECE", 701)
    pieces = relatives.tables(study(tmp_path / "pieces", MODELS, ["hash_dedup", "relatives"]), {})["relatives"]
    exact = [name for name in whole.columns if not name.startswith(("null_", "sum_"))]
    assert whole[exact].equals(pieces[exact])


def test_bf16_is_widened_exactly() -> None:
    patterns = np.array([0x3F80, 0xBF80, 0x0001, 0x7F80, 0x8000], np.uint16)
    found = as_float64(patterns, "bf16")
    assert found.tolist() == [1.0, -1.0, 2.0**-133, np.inf, -0.0]
    assert np.signbit(found[-1])


def test_a_study_without_the_measure_has_empty_tables(tmp_path: Path) -> None:
    index = study(tmp_path, {"a-1": {"base": BASE}}, ["hash_dedup"])
    assert all(len(table) == 0 for table in relatives.tables(index, {}).values())
