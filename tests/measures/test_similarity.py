"""Sketches are those of the sets that the shingles name; noise and equal parameters are counted exactly."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.numpy import save_file

from analysis.measures import MEASURES
from analysis.measures.equal_parameters import EqualParametersParams
from analysis.measures.similarity import SimilarityParams
from analysis.similarity.parameter_pairs import _chance
from analysis.similarity.parameter_sets import PIECE, SKETCHES
from analysis.similarity.sketches import DATASKETCH, RENSA, SCHEMES, Kind, Sketch, estimates
from analysis.similarity.stand_in import NOISE
from elf.formats import open_model
from elf.formats.base import ModelFile, map_file
from elf.kernels.minhash import EMPTY, hash_placed, hash_values

KIND = Kind(64, 3)
HOSTILE = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45, 3.0, 3.0], np.float32)


def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        "a.weight": rng.normal(0, 0.05, (40, 50)).astype(np.float32),
        "b.bias": rng.normal(0, 1, 33).astype(np.float16),
        "c.ids": np.arange(-3, 40, dtype=np.int64),
        "d.flags": np.array([True, False, True]),
        "e.scalar": np.array(1.5, np.float64),
        "f.empty": np.empty((0, 4), np.float32),
        "g.hostile": HOSTILE,
    }


def measured(path: Path) -> dict[str, pa.Table]:
    tables: dict[str, pa.Table] = {}
    with open_model(path) as model:
        MEASURES["similarity"].run(model, SimilarityParams(permutations=64, seed=3), tables.__setitem__)  # type: ignore[arg-type]
    assert (tables["sketches"].schema, tables["noise"].schema) == (SKETCHES, NOISE)
    return tables


def seed(*names: str) -> np.uint64:
    return np.uint64(xxhash.xxh3_64_intdigest("\0".join(names).encode()))


def bits(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(f"u{array.itemsize}")


def shingles(kind: str, content: dict[str, np.ndarray]) -> set[int]:
    """Hashes of the shingles, one tensor after the other."""
    names = {"float32": "f32", "float16": "f16", "int64": "i64", "bool": "bool", "float64": "f64"}
    found: set[int] = set()
    for name, array in content.items():
        hashes, dtype = np.empty(array.size, np.uint64), names[str(array.dtype)]
        if kind == "parameter":
            hash_placed(bits(array), np.uint64(0), seed(name, dtype), hashes)
        else:
            hash_values(bits(array), seed(dtype), hashes)
        found |= set(hashes.tolist())
    return found


@pytest.mark.parametrize("kind", ["parameter", "value"])
def test_the_reference_sketch_is_that_of_datasketch_over_the_shingles(kind: str, tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "m.safetensors")
    rows = measured(tmp_path / "m.safetensors")["sketches"].to_pylist()
    (row,) = (row for row in rows if (row["shingle"], row["method"]) == (kind, DATASKETCH))
    expected = KIND.reference()
    expected.update_batch(shingles(kind, tensors()))
    assert row["signature"] == expected.hashvalues.tolist()
    assert (row["scheme"], row["seed"], row["n_params"]) == ("affine64", 3, sum(t.size for t in tensors().values()))


def test_positions_go_on_over_the_pieces_of_a_large_tensor(tmp_path: Path) -> None:
    large = np.zeros(PIECE + 5, np.uint8)
    save_file({"w": large}, tmp_path / "m.safetensors")
    rows = measured(tmp_path / "m.safetensors")["sketches"].to_pylist()
    (row,) = (row for row in rows if (row["shingle"], row["method"]) == ("parameter", DATASKETCH))
    hashes, sketch = np.empty(large.size, np.uint64), Sketch(KIND)
    hash_placed(large, np.uint64(0), seed("w", "u8"), hashes)
    sketch.add(hashes)
    assert row["signature"] == sketch.signatures()[DATASKETCH].tolist()


def test_a_file_without_tensors_has_the_sketch_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "unknown.bin"
    path.write_bytes(b"not a model")
    tables: dict[str, pa.Table] = {}
    with ModelFile(path, map_file(path), "bytes", []) as model:
        MEASURES["similarity"].run(model, SimilarityParams(permutations=16), tables.__setitem__)  # type: ignore[arg-type]
    rows = tables["sketches"].to_pylist()
    assert {row["n_params"] for row in rows} == {0}
    assert all(row["signature"] == [int(EMPTY)] * 16 for row in rows if row["method"] == DATASKETCH)
    assert tables["noise"].num_rows == 0


@pytest.mark.parametrize("jaccard", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("n", [10, 3000])
def test_both_methods_estimate_the_similarity_within_what_chance_allows(n: int, jaccard: float) -> None:
    kind, rng = Kind(1024, 5), np.random.default_rng(n)
    hashes = rng.integers(0, 2**64, n, np.uint64)
    shared = round(jaccard * n)
    own = (n - shared) // 2
    sides = hashes[: shared + own], np.concatenate((hashes[:shared], hashes[shared + own :]))
    sketches = [Sketch(kind) for _ in sides]
    for sketch, side in zip(sketches, sides, strict=True):
        sketch.add(side)
    exact = shared / n
    for method in SCHEMES:
        signatures = np.stack([sketch.signatures()[method] for sketch in sketches])
        error = abs(estimates(signatures)[0, 1] - exact)
        assert error <= 4 * np.sqrt(exact * (1 - exact) / kind.permutations) + 1e-12, method


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=30), max_size=4))
def test_sketches_do_not_depend_on_pieces_order_or_repeats(pieces: list[list[int]]) -> None:
    one, other = Sketch(KIND), Sketch(KIND)
    for piece in pieces:
        one.add(np.array(piece, np.uint64))
    other.add(np.array([h for piece in pieces[::-1] for h in piece[::-1] * 2], np.uint64))
    for method in (DATASKETCH, RENSA):
        assert one.signatures()[method].tolist() == other.signatures()[method].tolist()


def test_noise_is_counted_exactly_and_the_same_on_every_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = {"w": rng.normal(1, 1, 5000).astype(np.float16), "x": HOSTILE, "y": np.arange(9)}
    save_file(content, tmp_path / "m.safetensors")
    first, again = (measured(tmp_path / "m.safetensors")["noise"].to_pylist() for _ in range(2))
    assert first == again
    half, single = first
    assert (half["dtype"], half["n_params"], half["n_values"]) == ("f16", 5000, len(set(bits(content["w"]).tolist())))
    assert 0 < half["n_shared"] <= min(half["n_values"], half["n_noise"]) <= 5000
    assert (single["dtype"], single["n_values"], single["n_noise"]) == ("f32", 7, 8)


def test_noise_has_the_mean_and_deviation_of_each_tensor(tmp_path: Path) -> None:
    content = {"a": np.full(1000, 2.0, np.float32), "b": np.full(1000, -7.5, np.float32)}
    save_file(content, tmp_path / "m.safetensors")
    (row,) = measured(tmp_path / "m.safetensors")["noise"].to_pylist()
    assert (row["n_values"], row["n_noise"], row["n_shared"]) == (2, 2, 2)  # without deviation, noise is the mean


def compared(folder: Path, a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> dict[str, float]:
    for name, content in (("a", a), ("b", b)):
        save_file(content, folder / f"{name}.safetensors")
    tables: dict[str, pa.Table] = {}
    with open_model(folder / "a.safetensors") as one, open_model(folder / "b.safetensors") as other:
        MEASURES["equal_parameters"].run([one, other], EqualParametersParams(), tables.__setitem__)  # type: ignore[arg-type]
    (row,) = tables["equal"].to_pylist()
    return row


def test_equal_parameters_are_equal_bits_at_one_place_of_one_tensor(tmp_path: Path) -> None:
    other = tensors()
    other["a.weight"] = other["a.weight"].reshape(50, 40).copy()
    other["a.weight"][0, :10] += 1
    other["b.bias"] = other["b.bias"].astype(np.float32)
    other["c.ids"] = other["c.ids"][:20]
    other["g.hostile"] = np.where(HOSTILE == 0, np.float32(0), HOSTILE)  # -0.0 is no 0.0, NaN is the same NaN
    row = compared(tmp_path, tensors(), other)
    assert (row["n_a"], row["n_b"]) == tuple(sum(t.size for t in side.values()) for side in (tensors(), other))
    assert row["n_compared"] == 2000 + 20 + 3 + 1 + 8
    assert row["n_same_layout"] == 3 + 1 + 8
    assert row["n_equal"] == 1990 + 20 + 3 + 1 + 7


FEW = st.lists(st.integers(0, 3), min_size=1, max_size=4)


@given(FEW, FEW)
def test_by_chance_is_the_mean_over_all_ways_to_shuffle(a: list[int], b: list[int]) -> None:
    ways = [(x, y) for x in permutations(a) for y in permutations(b)]
    mean = np.mean([sum(map(int.__eq__, x, y)) for x, y in ways])
    chance = min(len(a), len(b)) * _chance(np.array(a, np.uint8), np.array(b, np.uint8), 1)
    assert chance == pytest.approx(mean)


@pytest.mark.parametrize(
    ("measure", "given"),
    [
        ("similarity", {"permutation": 128}),
        ("similarity", {"permutations": 8}),
        ("similarity", {"seed": -1}),
        ("equal_parameters", {"pairs": "all"}),
    ],
)
def test_wrong_parameters_are_refused(measure: str, given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MEASURES[measure].params(**given)
