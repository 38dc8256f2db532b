"""Models derived from others of the study: labelled, deterministic, read back by the reference implementation."""

from __future__ import annotations

import hashlib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors
from safetensors.numpy import load_file, save_file
from wheels import write_study

from analysis.config import load_study
from analysis.sources import Model, Pulled, pull
from elf.formats import open_model

RNG = np.random.default_rng(7)
TENSORS = {
    "w": RNG.normal(0, 0.02, (300, 500)).astype(np.float32),
    "b": np.array([0.1, -0.0, 1e-30, 65504.0], np.float32),
    "steps": np.array(12345678901, np.int64),
    "half": RNG.normal(size=7).astype(np.float16),
    "none": np.zeros((0, 3), np.float32),
}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "base.safetensors")
    return tmp_path


def pulled(folder: Path, *recipes: str, base: str = "path: base.safetensors", cache: str = "cache") -> Pulled:
    entries = [f"{{derive: {{from: {base.rpartition(' ')[2]}, {recipe}}}}}" for recipe in recipes]
    return pull(load_study(write_study(folder, base, *entries), {}), cache=folder / cache)


def made(folder: Path, recipe: str) -> Model:
    return pulled(folder, recipe).models[1]


def digest(model: Model) -> list[tuple[str, str]]:
    return [(file.name, hashlib.sha256(file.path.read_bytes()).hexdigest()) for file in model.files]


@pytest.mark.parametrize(
    ("cast", "dtype"), [("bfloat16", ml_dtypes.bfloat16), ("float16", "<f2"), ("float32", "<f4"), ("float64", "<f8")]
)
def test_a_cast_turns_every_float_and_nothing_else(base: Path, cast: str, dtype: str) -> None:
    [file] = made(base, f"cast: {cast}").files
    tensors = load_file(file.path)
    assert set(tensors) == set(TENSORS)
    for name, original in TENSORS.items():
        wanted = original if name == "steps" else original.astype(dtype)
        assert tensors[name].dtype == wanted.dtype
        assert tensors[name].shape == wanted.shape
        assert tensors[name].tobytes() == wanted.tobytes()


def test_a_derived_model_says_that_it_is_one(base: Path) -> None:
    model = made(base, "cast: bfloat16")
    assert (model.name, model.source, model.revision) == (
        "base.safetensors+bfloat16",
        "derive:base.safetensors",
        "cast bfloat16",
    )
    assert model.derived
    assert model.task == "t"
    with safetensors.safe_open(model.files[0].path, "np") as opened:
        assert opened.metadata() == {"derived_from": "base.safetensors", "recipe": "cast bfloat16"}


def test_the_same_recipe_gives_the_same_bytes_in_another_cache(base: Path) -> None:
    first, second = (pulled(base, "cast: bfloat16", cache=cache).models[1] for cache in ("one", "two"))
    assert first.files[0].path != second.files[0].path
    assert digest(first) == digest(second)


def test_what_is_made_is_not_made_again_until_its_base_changes(base: Path) -> None:
    first = made(base, "cast: float16")
    stamp = first.files[0].path.stat().st_mtime_ns
    assert made(base, "cast: float16").files[0].path.stat().st_mtime_ns == stamp
    save_file({"w": np.ones(3, np.float32)}, base / "base.safetensors")
    assert load_file(made(base, "cast: float16").files[0].path)["w"].tobytes() == np.ones(3, np.float16).tobytes()


def test_a_damaged_derivation_is_made_again(base: Path) -> None:
    first = made(base, "cast: float16")
    good = digest(first)
    first.files[0].path.write_bytes(b"gone")
    assert digest(made(base, "cast: float16")) == good


def test_values_that_overflow_are_counted_and_said(tmp_path: Path) -> None:
    save_file({"w": np.array([1e5, -1e6, np.inf, np.nan, 1], np.float32)}, tmp_path / "base.safetensors")
    for _ in range(2):  # also when it was made before
        result = pulled(tmp_path, "cast: float16")
        assert result.notes == (
            "base.safetensors+float16: 2 finite values of base.safetensors became infinite as float16",
        )
    assert np.isinf(load_file(result.models[1].files[0].path)["w"]).sum() == 3


def test_a_reshard_into_files_spreads_the_same_tensors_over_that_many(base: Path) -> None:
    model = made(base, "reshard: {files: 3}")
    assert [file.name for file in model.files] == [f"model-0000{index}-of-00003.safetensors" for index in (1, 2, 3)]
    parts = [load_file(file.path) for file in model.files]
    assert all(parts)
    merged = {name: tensor for part in parts for name, tensor in part.items()}
    assert sum(map(len, parts)) == len(merged)
    assert {name: tensor.tobytes() for name, tensor in merged.items()} == {
        name: t.tobytes() for name, t in TENSORS.items()
    }
    assert model.revision == "reshard 3 files"


def test_a_reshard_by_bytes_keeps_every_file_below_unless_one_tensor_is_larger(tmp_path: Path) -> None:
    save_file({f"t{index}": np.zeros(10 * (index + 1), np.uint8) for index in range(9)}, tmp_path / "base.safetensors")
    sizes = [
        [tensor.nbytes for tensor in load_file(file.path).values()]
        for file in made(tmp_path, "reshard: {bytes: 75}").files
    ]
    assert sum(map(sum, sizes)) == 450
    assert all(sum(each) <= 75 or len(each) == 1 for each in sizes)
    assert max(map(len, sizes)) > 1


def test_more_files_than_tensors_are_refused(base: Path) -> None:
    [failure] = pulled(base, "reshard: {files: 6}").failures
    assert (failure.error, failure.reason) == ("TooFewTensors", "5 tensors cannot be spread over 6 files")


def test_every_file_of_a_model_is_cast_and_keeps_its_place(tmp_path: Path) -> None:
    (tmp_path / "base" / "deep").mkdir(parents=True)
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "base" / "a.safetensors")
    np.savez(tmp_path / "base" / "deep" / "b.npz", w=np.ones(4, np.float32))
    (tmp_path / "base" / "notes.txt").write_text("no tensors in here")
    model = pulled(tmp_path, "cast: float16", base="path: base").models[1]
    assert [file.name for file in model.files] == ["a.safetensors", "deep/b.npz.safetensors"]
    assert load_file(model.files[1].path)["w"].tobytes() == np.ones(4, np.float16).tobytes()


def test_files_that_are_not_one_checkpoint_cannot_be_resharded(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    for name in "ab":
        save_file({"w": np.ones(3, np.float32)}, tmp_path / "base" / f"{name}.safetensors")
    [failure] = pulled(tmp_path, "reshard: {files: 2}", base="path: base").failures
    assert failure.error == "NotOneModel"
    assert failure.reason == "two files of base have a tensor 'w': they are not one checkpoint"


@pytest.mark.parametrize("content", [b"no tensors", (99).to_bytes(8, "little") + b"{"])
def test_a_base_without_tensors_or_damaged_is_a_failure_of_the_derivation_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "base.bin").write_bytes(content)
    result = pulled(tmp_path, "cast: float16", base="path: base.bin")
    assert [model.name for model in result.models] == ["base.bin"]
    [failure] = result.failures
    assert failure.model == "base.bin+float16"
    assert str(tmp_path) not in failure.reason
    assert not list((tmp_path / "cache" / "models").glob("*"))


def test_a_base_that_could_not_be_pulled_is_named(tmp_path: Path) -> None:
    result = pulled(tmp_path, "cast: float16", base="path: gone.bin")
    assert [(failure.model, failure.error) for failure in result.failures] == [
        ("gone.bin", "FileNotFoundError"),
        ("gone.bin+float16", "NoBase"),
    ]


def test_our_own_reader_and_the_reference_agree_on_what_was_written(base: Path) -> None:
    [file] = made(base, "cast: bfloat16").files
    reference = load_file(file.path)
    with open_model(file.path) as opened:
        assert opened.format == "safetensors"
        assert {tensor.name: opened.bytes(tensor).tobytes() for tensor in opened.tensors} == {
            name: tensor.tobytes() for name, tensor in reference.items()
        }
        assert all((tensor.offset or 0) % 2 == 0 for tensor in opened.tensors)


def test_real_models_of_every_format_can_be_cast(tiny_study: Pulled, tmp_path: Path) -> None:
    entries = [
        line
        for model in tiny_study.models
        for line in (
            f"{{path: {root(model)}, name: {model.family}}}",
            f"{{derive: {{from: {model.family}, cast: bfloat16}}, name: cast-{model.family}}}",
        )
    ]
    result = pull(load_study(write_study(tmp_path, *entries), {}), cache=tmp_path / "cache")
    assert not result.failures
    for before, after in zip(result.models[::2], result.models[1::2], strict=True):
        assert after.name == f"cast-{before.name}"
        assert types(after) == {"bf16" if dtype in ("f16", "f32") else dtype for dtype in types(before)}


def root(model: Model) -> Path:
    """The folder that the names of the model's files start from."""
    file = model.files[0]
    return file.path.parents[len(Path(file.name).parents) - 1]


def types(model: Model) -> set[str]:
    found: set[str] = set()
    for file in model.files:
        with open_model(file.path) as opened:
            found |= {tensor.dtype for tensor in opened.tensors if tensor.alias_of is None}
    return found
