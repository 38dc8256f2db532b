from __future__ import annotations

import ml_dtypes
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.contents.elements import STATISTICS, VALUES, Elements, decoded_patterns
from elf.tensor import DTYPES

FLOATS = {
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "f8_e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8_e4m3fnuz": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "f8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "f8_e5m2fnuz": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "f8_e8m0": np.dtype(ml_dtypes.float8_e8m0fnu),
}
INTEGERS = ["bool", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"]


def look(
    *tensors: tuple[str, np.ndarray], piece: int = 1 << 25
) -> tuple[list[dict[str, int | None]], list[tuple[str, pa.Table]]]:
    tables: list[tuple[str, pa.Table]] = []
    elements = Elements(lambda name, table: tables.append((name, table)), lambda: None, piece)
    counts = [elements.add(dtype, np.frombuffer(values.tobytes(), np.uint8)) for dtype, values in tensors]
    elements.flush()
    assert all(table.schema == VALUES for _, table in tables)
    return counts, tables


def values_of(tables: list[tuple[str, pa.Table]], dtype: str) -> list[int]:
    return [value for name, table in tables if name == f"values-{dtype}" for value in table["value"].to_pylist()]


def patterns_of(dtype: str, seed: int, n: int = 3_000) -> np.ndarray:
    """Random patterns, crowded around zero and repeated, as unsigned integers of the dtype's width."""
    rng, width = np.random.default_rng(seed), DTYPES[dtype].block_bytes
    top = 1 << (8 * width)
    wide = rng.integers(0, top - 1, n, np.uint64, endpoint=True)
    mixed = np.concatenate(
        [wide, wide >> np.uint64(4 * width), np.array([0, top // 2, top - 1], np.uint64), wide[: n // 2]]
    )
    return mixed.astype(f"u{width}")


def slow_counts(dtype: str, patterns: np.ndarray) -> dict[str, int | None]:
    counts: dict[str, int | None] = dict.fromkeys(STATISTICS)
    counts |= {"n_distinct": len(set(patterns.tolist())), "n_zero": patterns.tolist().count(0)}
    if dtype not in FLOATS:
        return counts
    with np.errstate(all="ignore"):
        values = patterns.view(FLOATS[dtype]).astype(np.float64)
        held = {
            name: values.astype(kind).astype(np.float64) for name, kind in (("f16", "f2"), ("bf16", FLOATS["bf16"]))
        }
    masks = {
        "n_zero": values == 0,
        "n_negative_zero": (values == 0) & np.signbit(values),
        "n_in_unit_interval": np.abs(values) < 1,
        "n_nonfinite": ~np.isfinite(values),
        **{f"n_{name}_exact": (back == values) | np.isnan(values) for name, back in held.items()},
    }
    return counts | {name: int(mask.sum()) for name, mask in masks.items()}


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_counts_of_every_dtype_are_those_of_casts_and_sets(dtype: str) -> None:
    patterns = patterns_of(dtype, 1) if dtype != "bool" else patterns_of("u8", 1) % np.uint8(2)
    (counts,), tables = look((dtype, patterns))
    assert counts == slow_counts(dtype, patterns)
    assert values_of(tables, dtype) == sorted(set(patterns.tolist()))


@pytest.mark.parametrize("dtype", ["f32", "i32", "f64", "i64", "bf16", "u8"])
@pytest.mark.parametrize("piece", [104, 992, 5_000])
def test_a_tensor_read_in_pieces_has_the_same_counts_and_patterns(dtype: str, piece: int) -> None:
    patterns = patterns_of(dtype, 2)
    (counts,), tables = look((dtype, patterns), piece=piece)
    assert counts == slow_counts(dtype, patterns)
    assert sorted(set(values_of(tables, dtype))) == sorted(set(patterns.tolist()))


def test_patterns_from_all_over_the_range_are_found_in_several_passes() -> None:
    patterns = (np.arange(1 << 13, dtype=np.uint32) << np.uint32(19)) + np.uint32(7)
    counts, tables = look(("u32", patterns), ("u32", patterns[::2]), piece=4_000)
    assert [count["n_distinct"] for count in counts] == [1 << 13, 1 << 12]
    assert sorted(set(values_of(tables, "u32"))) == patterns.tolist()


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_a_tensor_without_elements_counts_nothing(dtype: str) -> None:
    (counts,), tables = look((dtype, np.empty(0, np.uint8)))
    assert set(counts.values()) <= {0, None}
    assert counts["n_distinct"] == 0
    assert values_of(tables, dtype) == []


@pytest.mark.parametrize("dtype", ["c64", "c128", "i4", "u4", "f4_e2m1"])
def test_what_has_no_pattern_of_its_own_is_not_counted(dtype: str) -> None:
    (counts,), tables = look((dtype, np.arange(64, dtype=np.uint8)))
    assert counts == dict.fromkeys(STATISTICS)
    assert tables == []


@given(st.lists(st.sampled_from(["f32", "bf16", "u8", "i64"]), min_size=1, max_size=5), st.integers(0, 99))
def test_the_patterns_of_a_unit_are_the_union_over_its_tensors(dtypes: list[str], seed: int) -> None:
    tensors = [(dtype, patterns_of(dtype, seed + i, 40)) for i, dtype in enumerate(dtypes)]
    _, tables = look(*tensors)
    for dtype in set(dtypes):
        union = {value for name, patterns in tensors if name == dtype for value in patterns.tolist()}
        assert set(values_of(tables, dtype)) == union


def test_patterns_of_a_large_unit_come_in_several_tables() -> None:
    patterns = np.arange(3 << 20, dtype=np.uint32)
    (counts,), tables = look(("f32", patterns))
    assert counts["n_distinct"] == 3 << 20
    assert len(tables) > 1
    assert sum(table.num_rows for _, table in tables) == 3 << 20


def test_zeros_of_both_signs_and_nans_with_different_payloads_are_different_patterns() -> None:
    patterns = np.array([0, 0x80000000, 0x7FC00000, 0x7FC00001, 0x7FC00001], np.uint32)
    (counts,), _ = look(("f32", patterns))
    assert (counts["n_distinct"], counts["n_zero"], counts["n_negative_zero"], counts["n_nonfinite"]) == (4, 2, 1, 3)


def test_unaligned_bytes_are_read_right() -> None:
    patterns = patterns_of("f32", 3)
    data = np.frombuffer(b"x" + patterns.tobytes(), np.uint8)[1:]
    assert Elements(lambda _: None, lambda: None).add("f32", data) == slow_counts("f32", patterns)


def test_pieces_are_released_as_they_are_read_and_small_tensors_are_not() -> None:
    released: list[int] = []
    elements = Elements(lambda _: None, lambda: released.append(1), 100)
    elements.add("u8", np.zeros(100, np.uint8))
    assert not released
    elements.add("u8", np.zeros(301, np.uint8))
    assert len(released) == 4


@pytest.mark.parametrize("dtype", [name for name, kind in FLOATS.items() if kind.itemsize <= 2])
def test_every_pattern_of_a_short_float_is_decoded_as_ml_dtypes_does(dtype: str) -> None:
    width = DTYPES[dtype].block_bytes
    patterns = np.arange(1 << (8 * width), dtype=f"u{width}")
    with np.errstate(invalid="ignore"):
        expected = patterns.view(FLOATS[dtype]).astype(np.float32)
    found = decoded_patterns(dtype)
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.array_equal(np.signbit(found[found == 0]), np.signbit(expected[expected == 0]))
