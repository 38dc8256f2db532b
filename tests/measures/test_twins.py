"""Twins are named for what they are, compared value by value, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from measured_files import study

from analysis.aggregate import twins
from analysis.relatives.twins import keys, narrowed, relation

RNG = np.random.default_rng(20261126)
W = RNG.normal(0, 0.05, (12, 20)).astype(np.float32)
CUBE = RNG.normal(0, 0.05, (4, 5, 6)).astype(np.float32)
HALF = RNG.normal(0, 0.05, (6, 7)).astype(np.float16)
GATES = RNG.normal(0, 0.05, (8, 5)).astype(np.float32)
BASE = {"w": W, "cube": CUBE, "half": HALF, "gates": GATES, "zeros": np.zeros((5, 6), np.float32)}
MEASURED = ["hash_dedup", "twin_keys", "twins"]


def found(folder: Path, *files: dict[str, np.ndarray]) -> pd.DataFrame:
    models = {f"a-{n}": {f"f{n}": content} for n, content in enumerate(files)}
    return twins.tables(study(folder, models, MEASURED), {})["twins"].set_index("layer_b")


@pytest.mark.parametrize(
    ("twin", "kind", "how", "saved"),
    [
        (W.T, "transposition", "10", W.nbytes),
        (CUBE.transpose(2, 0, 1), "transposition", "201", CUBE.nbytes),
        (W.T.reshape(1, 10, 24), "transposition", "10", W.nbytes),
        (W.reshape(10, 24), "reshape", "", 0),
        (HALF.astype(np.float32), "cast", "", HALF.nbytes * 2),
        (HALF.T.astype(np.float32), "cast and transposition", "10", HALF.nbytes * 2),
        (HALF.astype(np.float64), "cast", "", HALF.nbytes * 4),
        (GATES[[0, 1, 6, 7, 2, 3, 4, 5]], "gates", "0312 on axis 0", GATES.nbytes),
        (GATES[RNG.permutation(8)][:, ::-1], "reordered", "", 0),
        (HALF[:, ::-1].astype(np.float32), "cast and reordered", "", 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_twin_is_found_and_named(twin: np.ndarray, kind: str, how: str, saved: int, tmp_path: Path) -> None:
    rows = found(tmp_path, BASE, {"t": np.ascontiguousarray(twin)})
    assert list(rows.index) == ["t"]
    row = rows.loc["t"]
    assert (row["kind"], row["how"], row["bytes_saved"]) == (kind, how, saved)
    assert row["bytes_recipe"] == (20 if saved else 0)


def test_twins_inside_one_file_are_found(tmp_path: Path) -> None:
    rows = found(tmp_path, {"a": W, "b": np.ascontiguousarray(W.T)})
    assert rows.loc["b", "file_a"] == rows.loc["b", "file_b"] == "f0"


def test_what_is_equal_already_or_constant_or_short_is_no_twin(tmp_path: Path) -> None:
    other = {"w": W, "zeros": np.zeros((6, 5), np.float32), "short": np.arange(3, dtype=np.float32)}
    assert len(found(tmp_path, BASE | {"s": np.arange(3, dtype=np.float16)}, other)) == 0


def test_one_value_changed_is_no_twin(tmp_path: Path) -> None:
    other = W.T.copy()
    other[3, 4] = np.nextafter(other[3, 4], np.float32(1))
    assert len(found(tmp_path, BASE, {"t": other})) == 0


def test_of_three_twins_the_narrowest_is_kept_once(tmp_path: Path) -> None:
    wide, turned = HALF.astype(np.float32), np.ascontiguousarray(HALF.T.astype(np.float32))
    rows = found(tmp_path, {"wide": wide}, {"half": HALF}, {"turned": turned}, {"again": turned})
    assert rows["bytes_saved"].sum() == wide.nbytes + turned.nbytes


FLOATS = hnp.arrays(np.float32, st.integers(16, 40), elements=st.floats(width=32))


@given(FLOATS)
def test_a_narrower_type_holds_what_comes_back_bit_by_bit(values: np.ndarray) -> None:
    for dtype in ("f16", "bf16"):
        held = narrowed(values, dtype)
        with np.errstate(all="ignore"):
            if dtype == "f16":
                back = values.astype(np.float16).astype(np.float32)
            else:
                back = (values.view("<u4") >> 16 << 16).view("<f4")
        exact = np.array_equal(back.view("<u4"), values.view("<u4"))
        assert (held is not None) == exact


@pytest.mark.parametrize("dtype", ["bool", "i8", "u16", "i64", "c64", "i4", "f8_e4m3"])
def test_every_kind_of_tensor_has_keys_or_none(dtype: str) -> None:
    data = np.arange(256, dtype=np.uint8) % 2
    made = list(keys(data, dtype))
    assert len(made) == (0 if dtype in {"c64", "i4"} else 1)


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=1, max_dims=4, max_side=4)), st.data())
def test_every_order_of_the_axes_is_a_relation(values: np.ndarray, data: st.DataObject) -> None:
    axes = data.draw(st.permutations(range(values.ndim)))
    assert relation(values, np.ascontiguousarray(values.transpose(axes)))


def test_nothing_but_an_order_of_axes_or_blocks_is_a_relation() -> None:
    values = np.arange(42, dtype=np.uint32).reshape(6, 7)
    assert relation(values, values[:, ::-1].copy()) == ""


def test_a_large_tensor_has_the_keys_of_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values = RNG.normal(0, 0.05, 1000).astype(np.float16).astype(np.float64)
    whole = list(keys(values.view(np.uint8), "f64"))
    monkeypatch.setattr("analysis.relatives.twins.PIECE", 97)
    assert list(keys(values.view(np.uint8), "f64")) == whole
    assert [key[0] for key in whole] == ["f64", "f32", "f16"]
