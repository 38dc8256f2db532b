"""What the measure `parameters` says of a file is what a slow look at every value says."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from safetensors.numpy import save_file

from analysis.contents.values import FIELDS, look_at
from analysis.measures import MEASURES
from analysis.measures.parameters import ParametersParams
from elf.formats import open_model
from elf.formats.base import ModelFile, map_file
from elf.formats.found import Found
from elf.tensor import DTYPES

RNG = np.random.default_rng(20261126)


def weights(dtype: str, count: int) -> np.ndarray:
    numbers = RNG.standard_normal(count) * (0.05 if dtype == "f32" else 50)
    return numbers.astype(DTYPES[dtype].numpy)


def integers(dtype: str) -> np.ndarray:
    numbers = weights("i64", 200)
    return (numbers if dtype.startswith("i") else np.abs(numbers)).astype(DTYPES[dtype].numpy)


def any_patterns(dtype: str, count: int) -> np.ndarray:
    """Zeros, subnormals, infinities and NaN among them."""
    numpy = DTYPES[dtype].numpy
    assert numpy is not None
    top = (1 << 8 * numpy.itemsize) - 1
    ends = np.array([0, 1, top, top >> 1, (top >> 1) + 1], np.uint64)
    return np.concatenate([ends, RNG.integers(0, top, count, np.uint64)]).astype(f"<u{numpy.itemsize}").view(numpy)


Rows = dict[str, list[dict[str, Any]]]


def measured(model: ModelFile, window: int = 1 << 20) -> Rows:
    found: Rows = {"exponents": [], "magnitudes": [], "repeats": []}
    look_at(model, window, lambda name, table: found[name].extend(table.to_pylist()))
    return found


def model_of(tmp_path: Path, dtype: str, values: np.ndarray) -> ModelFile:
    path = tmp_path / "model.bin"
    path.write_bytes(values.tobytes())
    data = map_file(path)
    found = [Found("weight", dtype, (values.size,), 0, values.nbytes)]
    return ModelFile(path, data, "synthetic", found)


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "f64", "f8_e4m3", "f8_e5m2", "f8_e8m0"])
def test_exponents_of_floats_are_their_fields(dtype: str, tmp_path: Path) -> None:
    values = any_patterns(dtype, 500)
    mantissa, bits, bias = FIELDS[dtype]
    patterns = values.view(f"<u{values.itemsize}").tolist()
    fields = Counter((pattern >> mantissa & (1 << bits) - 1) - bias for pattern in patterns)
    rows = measured(model_of(tmp_path, dtype, values))["exponents"]
    assert {row["exponent"]: row["n"] for row in rows} == fields
    negative = sum(pattern >> (mantissa + bits) for pattern in patterns)
    assert sum(row["n_negative"] for row in rows) == negative


def test_the_exponent_is_the_power_of_two_below_the_value(tmp_path: Path) -> None:
    values = weights("f32", 300)
    rows = measured(model_of(tmp_path, "f32", values))["exponents"]
    expected = Counter(math.frexp(value)[1] - 1 for value in values.tolist())
    assert {row["exponent"]: row["n"] for row in rows} == expected


@pytest.mark.parametrize("dtype", ["i8", "u8", "i32", "i64", "u64", "bool"])
def test_integers_count_by_length(dtype: str, tmp_path: Path) -> None:
    values = np.array([0, 1, 1, 0]).astype(bool) if dtype == "bool" else integers(dtype)
    rows = measured(model_of(tmp_path, dtype, values))
    expected = Counter(abs(int(value)).bit_length() - 1 for value in values)
    assert {row["exponent"]: row["n"] for row in rows["exponents"]} == expected
    assert not rows["magnitudes"]


def test_magnitudes_are_over_finite_values(tmp_path: Path) -> None:
    values = np.array([1.5, -2.0, np.nan, np.inf, -0.0], np.float32)
    [row] = measured(model_of(tmp_path, "f32", values))["magnitudes"]
    del row["role"], row["dtype"]
    assert row == {"n_finite": 3, "minimum": -2.0, "maximum": 1.5, "sum": -0.5, "sum_squares": 6.25}


def test_what_has_no_finite_value_or_too_large_a_sum_is_unknown(tmp_path: Path) -> None:
    [row] = measured(model_of(tmp_path, "f32", np.array([np.nan], np.float32)))["magnitudes"]
    assert (row["n_finite"], row["minimum"], row["maximum"], row["sum"]) == (0, None, None, 0)
    [row] = measured(model_of(tmp_path, "f64", np.array([1e300, 1e300])))["magnitudes"]
    assert (row["sum"], row["sum_squares"]) == (2e300, None)


def test_zeros_of_both_signs_and_nans_are_patterns_of_their_own(tmp_path: Path) -> None:
    values = np.array([0.0, -0.0, 0.0, np.nan, np.nan], np.float32)
    rows = measured(model_of(tmp_path, "f32", values))["repeats"]
    assert {row["log2_distance"]: row["n"] for row in rows} == {-1: 3, 1: 1, 0: 1}


def test_tensors_of_one_dtype_follow_one_another_and_aliases_count_once(tmp_path: Path) -> None:
    one = np.array([1, 2, 3], np.float32)
    save_file({"a": one, "b": one.astype(np.float16), "c": one}, tmp_path / "m.safetensors")
    with open_model(tmp_path / "m.safetensors") as model:
        rows = measured(model)["repeats"]
    found = {(row["dtype"], row["log2_distance"]): row["n"] for row in rows}
    assert found == {("f32", -1): 3, ("f32", 1): 3, ("f16", -1): 3}


def test_a_window_starts_anew(tmp_path: Path) -> None:
    rows = measured(model_of(tmp_path, "f32", np.zeros(10, np.float32)), window=4)["repeats"]
    assert {row["log2_distance"]: row["n"] for row in rows} == {-1: 3, 0: 7}


def test_an_empty_tensor_has_no_rows(tmp_path: Path) -> None:
    save_file({"a": np.empty((0, 4), np.float32)}, tmp_path / "m.safetensors")
    with open_model(tmp_path / "m.safetensors") as model:
        assert not any(measured(model).values())


def test_first_sightings_are_the_distinct_values_that_hash_dedup_counts(tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(0, 500, 3000).astype(np.float32)
    with model_of(tmp_path, "f32", values) as model:
        rows = measured(model)["repeats"]
    assert {row["log2_distance"]: row["n"] for row in rows}[-1] == np.unique(values).size


def test_every_float_type_has_a_field() -> None:
    whole = {name for name, kind in DTYPES.items() if kind.is_float and kind.numpy is not None}
    assert set(FIELDS) == whole
    assert all(1 + bits + mantissa == 8 * DTYPES[name].block_bytes for name, (mantissa, bits, _) in FIELDS.items()
               if name != "f8_e8m0")  # fmt: skip


def test_the_measure_refuses_unknown_parameters_and_writes_typed_tables(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        ParametersParams.model_validate({"windows": 4096})
    tables: dict[str, pa.Table] = {}
    with model_of(tmp_path, "f32", weights("f32", 10)) as model:
        MEASURES["parameters"].run(model, ParametersParams(), tables.__setitem__)
    assert set(tables) == {"exponents", "magnitudes", "repeats"}
