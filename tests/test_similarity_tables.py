"""Similarity tables agree with sets that Python makes of the same files, whatever the files have in common."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_study import Models, Tensors, measured

from analysis.aggregate import build
from analysis.aggregate.similarity import study, values
from analysis.aggregate.similarity.kinship import auroc
from analysis.claims.similarity import similar_pairs
from analysis.figures.similarity import FIGURES
from analysis.measures.equal_parameters import EqualParametersParams
from analysis.measures.hash_dedup import HashDedupParams
from analysis.measures.similarity import SimilarityParams
from analysis.results import Results
from analysis.tables import TABLES, frame, tidy
from analysis.views import similarity
from analysis.views.similarity import distributions, recall, summary
from elf.tensor import DTYPES

PARAMS = {
    "hash_dedup": HashDedupParams(fixed=[4096], fastcdc=[256, 1024], xet=False),
    "similarity": SimilarityParams(permutations=128),
    "equal_parameters": EqualParametersParams(),
}
TOPIC = ("similarity", "kinship", "lsh", "value_noise")


def models() -> Models:
    rng = np.random.default_rng(0)
    base = {
        "w": rng.normal(0, 0.05, (60, 50)).astype(np.float32),
        "b": np.zeros(40, np.float32),
        "n": rng.normal(1, 0.1, 40).astype(np.float16),
        "ids": np.arange(50),
    }
    tuned = base | {"w": np.where(rng.random((60, 50)) < 0.3, base["w"], base["w"] * np.float32(1.01))}
    longer = base | {"w": np.concatenate((base["w"], base["w"][:5]))}
    other = {"v": rng.normal(0, 0.05, (60, 50)).astype(np.float32), "b": np.zeros(40, np.float32)}
    return {
        "red/base": {"f0": base, "f1": base},
        "red/tuned": {"f0": tuned},
        "red/longer": {"f0": longer},
        "blue/other": {"f0": other, "f1": {"ids": np.arange(9)}},
        "blue/empty": {"f0": {}},
    }


def name_of(array: np.ndarray) -> str:
    return {"float32": "f32", "float16": "f16", "int64": "i64"}[str(array.dtype)]


def bits(array: np.ndarray) -> list[int]:
    return array.reshape(-1).view(f"u{array.itemsize}").tolist()


def value(tensors: Tensors) -> set[object]:
    return {(name_of(array), pattern) for array in tensors.values() for pattern in bits(array)}


def parameter(tensors: Tensors) -> set[object]:
    return {(name, name_of(a), i, p) for name, a in tensors.items() for i, p in enumerate(bits(a))}


def layer(tensors: Tensors) -> set[object]:
    return {array.tobytes() for array in tensors.values()}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    index = measured(tmp_path_factory.mktemp("study"), models(), PARAMS)
    return {name: tidy(TABLES[name], data) for name, data in build(index).items()}


def files() -> dict[str, Tensors]:
    return {f"{m.partition('/')[2]}/{f}": tensors for m, held in models().items() for f, tensors in held.items()}


@pytest.mark.parametrize("shingles", [value, parameter, layer])
def test_exact_similarities_are_those_of_the_sets(
    tables: dict[str, pd.DataFrame], shingles: Callable[[Tensors], set[object]]
) -> None:
    data = tables["similarity"]
    data = data[data["shingle"] == shingles.__name__]
    found = {(a, b): exact for a, b, exact in data[["a", "b", "jaccard_exact"]].itertuples(index=False)}
    sets = {name: shingles(tensors) for name, tensors in files().items()}
    for a, b in combinations(sorted(sets), 2):
        exact = len(sets[a] & sets[b]) / max(1, len(sets[a] | sets[b]))
        assert found.get((a, b), 0.0) == pytest.approx(exact), (a, b)


def test_sizes_and_estimates_belong_to_the_pair(tables: dict[str, pd.DataFrame]) -> None:
    data = tables["similarity"]
    assert set(data["method"]) == {"datasketch", "rensa"}
    union = (data["n_a"] + data["n_b"] - data["n_shared"]).astype("float64")
    assert np.allclose(data["n_shared"].astype("float64") / union, data["jaccard_exact"])
    expected = np.sqrt(data["jaccard_exact"] * (1 - data["jaccard_exact"]) / 128)
    assert ((data["jaccard"] - data["jaccard_exact"]).abs() <= 4 * expected + 0.01).all()
    assert np.allclose(data["standard_error"], np.sqrt(data["jaccard"] * (1 - data["jaccard"]) / 128))


def test_files_of_equal_bytes_are_alike_in_every_way_and_an_empty_one_is_like_none(
    tables: dict[str, pd.DataFrame],
) -> None:
    data = tables["similarity"]
    twins = data[(data["a"] == "base/f0") & (data["b"] == "base/f1")]
    assert (twins[["jaccard", "jaccard_exact"]] == 1).all(axis=None)
    assert len(twins) == 2 * 4
    of_empty = data[(data[["a", "b"]] == "empty/f0").any(axis=1)]
    assert set(of_empty["shingle"]) <= {"chunk"}  # its header is a chunk too


def test_layers_of_one_value_are_all_that_the_null_shares(tables: dict[str, pd.DataFrame]) -> None:
    data = tables["similarity"]
    row = data[(data["shingle"] == "layer") & (data["a"] == "base/f0") & (data["b"] == "other/f0")].iloc[0]
    assert row["jaccard_null"] == row["jaccard_exact"] == pytest.approx(1 / 5)
    twins = data[(data["shingle"] == "layer") & (data["a"] == "base/f0") & (data["b"] == "base/f1")].iloc[0]
    assert twins["jaccard_null"] == pytest.approx(1 / 7)


def test_relations_follow_families_names_and_shapes(tables: dict[str, pd.DataFrame]) -> None:
    data = tables["similarity"][["a", "b", "relation"]].drop_duplicates()
    found = {(a, b): relation for a, b, relation in data.itertuples(index=False)}
    assert found["base/f0", "tuned/f0"] == "architecture"
    assert found["base/f0", "longer/f0"] == "family"  # its largest tensor has another shape
    assert found["base/f0", "other/f0"] == "stranger"


def test_kinship_counts_every_pair_also_those_without_a_row(tables: dict[str, pd.DataFrame]) -> None:
    data = tables["kinship"].set_index(["shingle", "relation", "method"])
    row = data.loc[("parameter", "family", "exact")]
    assert (row["n_files"], row["n_relatives"], row["n_strangers"]) == (6, 6 + 1, 4 * 2)
    assert row["auroc"] == pytest.approx(6 * 8 / 56)  # strangers share zeros and ids, the two blue files nothing
    assert data.loc[("value", "architecture", "exact"), "n_relatives"] == 3


def test_lsh_finds_equal_files_and_counts_its_candidates(tables: dict[str, pd.DataFrame]) -> None:
    data = tables["lsh"]
    assert (data["n_found"] <= data[["n_candidates", "n_exact_above"]].min(axis=1)).all()
    assert (data["n_candidates"] <= data["n_pairs"]).all()
    highest = data[data["threshold"] == 0.8]
    assert (highest["n_found"] >= 1).all()
    assert (highest["bands"] * highest["rows"] <= 128).all()


def test_derived_models_are_compared_with_nothing(tmp_path: Path) -> None:
    made = build(measured(tmp_path, models(), PARAMS, frozenset({"tuned"})))
    for table, columns in (("similarity", ["a", "b"]), ("value_noise", ["file"])):
        assert len(made[table])
        assert not made[table][columns].isin(["tuned/f0"]).any(axis=None)


def test_a_study_that_does_not_ask_has_empty_tables(tmp_path: Path) -> None:
    made = build(measured(tmp_path, models(), {"hash_dedup": PARAMS["hash_dedup"]}))
    assert [len(made[name]) for name in TOPIC] == [0, 0, 0, 0]


def test_a_large_study_counts_the_likeliest_files_only_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "EXACT_FILES", 2)
    made = build(measured(tmp_path, models(), PARAMS | {"equal_parameters": EqualParametersParams(pairs=1)}))
    data = made["similarity"]
    for shingle in ("value", "parameter"):
        rows = data[data["shingle"] == shingle]
        known = rows[rows["jaccard_exact"].notna() & (rows["jaccard_exact"] > 0)]
        assert set(zip(known["a"], known["b"], strict=True)) == {("base/f0", "base/f1")}
        unknown = rows[rows["jaccard_exact"].isna()]
        assert unknown["n_shared"].isna().all()
        assert (unknown["proposed_at"] >= 0.5).all()
    lsh = made["lsh"][made["lsh"]["shingle"] == "value"]
    assert (lsh["n_known"] == 1).all()


@pytest.mark.parametrize("dtype", ["u8", "f16", "f32", "i64"])
def test_the_null_of_values_is_what_drawing_their_low_bits_anew_shares(dtype: str) -> None:
    width = DTYPES[dtype].block_bytes
    rng = np.random.default_rng(width)
    half = 4 * width
    top = rng.integers(0, 2, 4000).astype(np.uint64) << np.uint64(half)
    low = rng.integers(0, 1 << min(half, 9), 4000).astype(np.uint64) << np.uint64(max(0, half - 9))
    sets = [np.unique((top + low)[part]).astype(f"u{width}") for part in (slice(0, 300), slice(200, 900))]
    chance = np.zeros((2, 2))
    values._expect({i: values._classes(held, dtype) for i, held in enumerate(sets)}, dtype, chance)
    drawn = [len({*redrawn(sets[1], half, rng)} & {*sets[0].tolist()}) for _ in range(300)]
    assert chance[0, 1] == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / 300**0.5 + 1e-6)


def redrawn(held: np.ndarray, half: int, rng: np.random.Generator) -> list[int]:
    """Stand-ins for distinct values: as many of each class, drawn without replacement."""
    classes: dict[tuple[int, int], int] = {}
    for pattern in held.tolist():
        low = pattern & ((1 << half) - 1)
        zeros = half if low == 0 else (low & -low).bit_length() - 1
        classes[pattern >> half, zeros] = classes.get((pattern >> half, zeros), 0) + 1
    found = []
    for (high, zeros), n in classes.items():
        size = 1 << max(0, half - 1 - zeros)
        for odd in rng.choice(size, n, replace=False).tolist() if size < 1 << 20 else rng.integers(0, size, n).tolist():
            low = 0 if zeros == half else (2 * odd + 1) << zeros
            found.append((high << half) | low)
    return found


SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), max_size=12)


@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_order_ties_half(positives: list[float], negatives: list[float]) -> None:
    found = auroc(np.array(positives), np.array(negatives))
    if positives and negatives:
        above = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
        assert found == pytest.approx(above / (len(positives) * len(negatives)))
    else:
        assert np.isnan(found)


def test_views_add_the_pairs_without_a_row(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    results = Results("small", tmp_path, tables)
    found = distributions(results, "parameter")
    assert [found[name].size for name in found] == [7, 8, 15]
    assert summary(results)["relatives alike"].tolist() == [
        sum(exact >= 0.5 for exact in distributions(results, shingle)["within a family"])
        for shingle in ("chunk", "layer", "parameter", "value")
    ]
    assert recall(results)["recall"].dropna().between(0, 1).all()


def test_a_study_without_similarities_has_figures_and_a_claim_that_say_so(tmp_path: Path) -> None:
    results = Results("none", tmp_path, {name: frame(table, []) for name, table in TABLES.items()})
    assert similar_pairs(results) == ("nothing was measured", "")
    for view in (summary, recall, similarity.beside_noise, similarity.above_chance, similarity.agreement):
        assert view(results).empty
    for name, function in FIGURES.items():
        assert function(results)[1].empty, name
