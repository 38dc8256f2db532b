"""The readers on the pinned tiny study, against the libraries that own the formats and what is known of the models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnx import numpy_helper
from test_every_format import assert_invariants

from elf.formats import ModelFile, open_model

if TYPE_CHECKING:
    from analysis.sources import Pulled


@pytest.fixture(scope="module")
def paths(tiny_study: Pulled) -> list[Path]:
    return [file.path for model in tiny_study.models for file in model.files]


def _of(paths: list[Path], suffix: str) -> list[Path]:
    found = [path for path in paths if path.suffix == suffix]
    assert found
    return found


def _contents(model: ModelFile) -> Counter[tuple[tuple[int, ...], bytes]]:
    return Counter((tensor.shape, model.bytes(tensor).tobytes()) for tensor in model.tensors)


def _shares(paths: list[Path]) -> dict[str, float]:
    """Share of each element type in the bytes of all tensors."""
    total: Counter[str] = Counter()
    for path in paths:
        with open_model(path) as model:
            for tensor in model.tensors:
                total[tensor.dtype] += tensor.stored
    return {dtype: count / total.total() for dtype, count in total.items()}


def test_every_file_has_tensors_that_keep_the_invariants_and_cover_most_of_it(paths: list[Path]) -> None:
    for path in paths:
        with open_model(path) as model:
            assert_invariants(model)
            assert model.format != "bytes"
            assert sum(tensor.stored for tensor in model.tensors) > 0.75 * model.part(0).size, path


def test_safetensors_files_hold_what_the_reference_reads(paths: list[Path]) -> None:
    for path in _of(paths, ".safetensors"):
        with open_model(path) as model:
            read = {tensor.name: model.bytes(tensor).tobytes() for tensor in model.tensors}
        assert read == {name: array.tobytes() for name, array in safetensors.numpy.load_file(path).items()}


def test_npz_files_hold_what_numpy_reads(paths: list[Path]) -> None:
    for path in _of(paths, ".npz"):
        with open_model(path) as model, np.load(path) as arrays:
            read = {tensor.name: model.bytes(tensor).tobytes() for tensor in model.tensors}
            assert read == {name: array.tobytes() for name, array in arrays.items()}


def _protos(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _protos(attribute.g)
            for inner in attribute.graphs:
                yield from _protos(inner)


def test_onnx_files_hold_what_the_onnx_package_reads(paths: list[Path]) -> None:
    for path in _of(paths, ".onnx"):
        arrays = [numpy_helper.to_array(proto) for proto in _protos(onnx.load(path).graph)]
        with open_model(path) as model:
            assert _contents(model) == Counter((array.shape, array.tobytes()) for array in arrays)


def test_one_model_in_two_formats_has_the_same_weights(paths: list[Path]) -> None:
    files = {path.name: path for path in paths}
    weights = []
    for name in ("silero_vad.jit", "silero_vad.onnx"):
        with open_model(files[name]) as model:
            kept = [tensor for tensor in model.tensors if tensor.role in ("weight", "bias") and tensor.n_params > 16]
            weights.append({model.bytes(tensor).tobytes() for tensor in kept})
    assert weights[0] == weights[1]
    assert len(weights[0]) == 26


def test_the_types_are_those_the_models_are_known_for(paths: list[Path]) -> None:
    fracast = _shares([path for path in paths if "fracast" in path.parts])
    assert fracast == pytest.approx({"f32": 0.82, "i8": 0.18}, abs=0.005)
    assert set(_shares(_of(paths, ".pth"))) == {"f32"}


def test_sparse_tflite_tensors_fill_their_file(paths: list[Path]) -> None:
    (path,) = [path for path in paths if path.name == "face_detection_full_range_sparse.tflite"]
    with open_model(path) as model:
        roles = Counter[str]()
        for tensor in model.tensors:
            roles[tensor.role] += tensor.stored
        assert set(roles) == {"weight", "bias", "other"}
        assert roles["weight"] > roles["other"] > roles["bias"]
