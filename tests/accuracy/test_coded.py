"""A restored file is a real one: coded, decoded, in its own format, with every byte counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from analysis.accuracy.coded import BOUNDED, ROUNDTRIPS, Method, Sizes, coded, eligible
from analysis.accuracy.weights import weights
from elf.formats import open_model

RANDOM = np.random.default_rng(5)


def normal(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(0, 0.05, shape).astype(np.float32)


TENSORS: dict[str, NDArray[Any]] = {
    "layer[0].weight": normal(64, 48) * (10.0 ** np.arange(-2, 2).repeat(16)[:, None]).astype(np.float32),
    "other.weight": normal(48, 32),
    "zeros.weight": np.zeros((32, 32), np.float32),
    "layer.bias": normal(512),
    "layer_norm.weight": normal(512),
    "half.weight": normal(40, 40).astype(np.float16),
    "broken.weight": np.full((20, 20), np.nan, np.float32),
    "codes": RANDOM.integers(0, 100, (30, 30)),
}
ELIGIBLE = {"layer[0].weight", "other.weight", "zeros.weight"}
METHODS = [Method("original"), *(Method(name, 2.0**-12) for name in BOUNDED), *map(Method, ROUNDTRIPS)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(TENSORS, path)
    return path


def restored(model: Path, method: Method) -> tuple[dict[str, NDArray[Any]], Sizes]:
    folder = model.parent / "work"
    folder.mkdir(exist_ok=True)
    with open_model(model) as file:
        path, sizes = coded(file, method, folder)
        return weights(path), sizes


def test_eligible_are_finite_weights_of_two_dimensions_in_f32(model: Path) -> None:
    with open_model(model) as file:
        assert set(eligible(file).names) == ELIGIBLE


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_leaves_all_other_tensors_bit_for_bit(model: Path, method: Method) -> None:
    found, sizes = restored(model, method)
    assert found.keys() == TENSORS.keys()
    for name in TENSORS.keys() - ELIGIBLE:
        assert found[name].tobytes() == TENSORS[name].tobytes(), name
    assert (sizes.n_params, sizes.n_eligible) == (
        sum(array.size for array in TENSORS.values()),
        sum(TENSORS[name].size for name in ELIGIBLE),
    )
    assert sizes.bytes_in == model.stat().st_size
    assert 0 < sizes.bytes_eligible < sizes.bytes_out


@pytest.mark.parametrize("exponent", [24, 12, 6, 3])
def test_elf_keeps_its_bound_and_spares_no_tensor_for_it(model: Path, exponent: int) -> None:
    found, _ = restored(model, Method("elf", 2.0**-exponent))
    apart = {name: np.abs(found[name] - TENSORS[name]).max() for name in ELIGIBLE}
    assert max(apart.values()) <= 2.0**-exponent
    assert apart["other.weight"] > 2.0 ** -(exponent + 2)


def test_elves_spares_a_tensor_that_the_bound_would_damage(model: Path) -> None:
    found, _ = restored(model, Method("elves", 2.0**-6))
    assert found["other.weight"].tobytes() == TENSORS["other.weight"].tobytes()


@pytest.mark.parametrize(("name", "dtype"), [("bf16", ml_dtypes.bfloat16), ("f16", np.float16)])
def test_a_cast_rounds_as_others_do(model: Path, name: str, dtype: Any) -> None:
    found, _ = restored(model, Method(name))
    for tensor in ELIGIBLE:
        assert np.array_equal(found[tensor], TENSORS[tensor].astype(dtype).astype(np.float32))


@pytest.mark.parametrize("bits", [8, 16])
def test_integers_are_within_half_a_step_and_channels_have_steps_of_their_own(model: Path, bits: int) -> None:
    # a little more than half: scales and products are f32
    top, wide = 2 ** (bits - 1) - 1, TENSORS["layer[0].weight"]
    by_tensor, _ = restored(model, Method(f"int{bits}_tensor"))
    assert np.abs(by_tensor["layer[0].weight"] - wide).max() <= np.abs(wide).max() / top * 0.51
    assert len(np.unique(np.rint(by_tensor["layer[0].weight"] / (np.abs(wide).max() / top)))) <= 2 * top + 1
    (model.parent / "work" / "restored" / model.name).unlink()
    (model.parent / "work" / "restored").rmdir()
    by_channel, _ = restored(model, Method(f"int{bits}_channel"))
    steps = np.abs(wide).max(axis=1) / top
    assert (np.abs(by_channel["layer[0].weight"] - wide).max(axis=1) <= steps * 0.51).all()
    assert np.array_equal(by_channel["zeros.weight"], TENSORS["zeros.weight"])


def test_fewer_bits_are_fewer_bytes(model: Path) -> None:
    spent = []
    for method in (Method("elf", 2.0**-24), Method("elf", 2.0**-12), Method("elf", 2.0**-6)):
        folder = model.parent / str(method.bound)
        folder.mkdir()
        with open_model(model) as file:
            spent.append(coded(file, method, folder)[1].bytes_out)
    assert spent[0] > spent[1] > spent[2]
