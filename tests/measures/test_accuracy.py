"""The accuracy measures: one shard for each method and bound, and a model that cannot be run is one named row."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
from onnx import helper, numpy_helper

from analysis.config import ConfigError, load_study
from analysis.measures import MEASURES
from analysis.measures.accuracy import AccuracyParams
from analysis.places import Places
from analysis.results import read
from analysis.steps import run_study
from elf.formats import open_model

PART = {"elves": [], "elf": [], "others": []}


def study(folder: Path, measure: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(
        f"families: [{{name: toy, models: [{{path: {folder / 'models'}}}]}}]\n"
        f"measures: {{{measure}: {{elves: [24], elf: [24, 2], others: [bf16]}}}}\n"
    )
    return path


def classifier(path: Path, classes: int = 4, features: int = 64) -> None:
    """One layer and a softmax."""
    weight = np.random.default_rng(0).normal(0, 0.05, (features, classes * 16)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["hidden"]),
        helper.make_node("Softmax", ["hidden"], ["y"], axis=-1),
    ]
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, features]), ("y", [1, classes * 16]))
    ]
    graph = helper.make_graph(nodes, "toy", values[:1], values[1:], [numpy_helper.from_array(weight, "weight")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(exist_ok=True)
    onnx.save(made, path)


def test_each_method_and_bound_is_a_part_and_the_original_is_always_one() -> None:
    measure = MEASURES["accuracy_g2p"]
    parts = measure.parts(AccuracyParams(elves=[24], elf=[24, 12], others=["bf16"]))
    assert list(parts) == ["original", "elves_24", "elf_24", "elf_12", "bf16"]
    assert len({part.model_dump_json() for part in parts.values()}) == 5
    assert list(measure.parts(AccuracyParams(**PART))) == ["original"]


@pytest.mark.parametrize(
    ("params", "said"),
    [("{others: [int4]}", "int8_tensor"), ("{elf: [24, 24]}", "twice"), ("{elf: [0]}", "1"), ("{bounds: [3]}", "elf")],
)
def test_a_method_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, params: str, said: str) -> None:
    path = study(tmp_path, "accuracy_outputs")
    path.write_text(path.read_text().split("measures:")[0] + f"measures: {{accuracy_outputs: {params}}}\n")
    with pytest.raises(ConfigError, match=said):
        load_study(path)


def test_a_restored_onnx_file_is_compared_with_its_original(tmp_path: Path) -> None:
    classifier(tmp_path / "models" / "model.onnx")
    finished = run_study(load_study(study(tmp_path, "accuracy_outputs")), Places(tmp_path, tmp_path / "out"), jobs=1)
    assert finished.manifest.failures == ()
    rows = read("mine", finished.tables).accuracy.set_index(["codec", "error_bound"]).sort_index()
    assert len(rows) == 5
    by_codec = rows.reset_index().set_index("codec")
    assert by_codec.at["original", "max_drift"] == 0
    assert pd.isna(by_codec.at["original", "low"])
    coarse, fine = (rows.loc[("elf", bound)] for bound in sorted(rows.loc["elf"].index, reverse=True))
    assert fine["n_flips"] == 0
    assert fine["max_drift"] < 1e-5 < coarse["max_drift"]
    assert coarse["n_flips"] > 0
    assert coarse["bytes_out"] < fine["bytes_out"] < fine["bytes_in"]
    assert rows["equivalent"].isna().all(), "no margin, no test"


def test_a_model_that_cannot_be_run_is_one_row_of_failures_and_the_rest_goes_on(tmp_path: Path) -> None:
    classifier(tmp_path / "models" / "good.onnx")
    node = helper.make_node("Unheard", ["x"], ["y"], domain="nowhere")
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 64]) for name in "xy"]
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(0, 0.05, (32, 32)).astype(np.float32), "w")
    graph = helper.make_graph([node], "toy", values[:1], values[1:], [weight])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("nowhere", 1)], ir_version=9)
    onnx.save(made, tmp_path / "models" / "strange.onnx")
    finished = run_study(load_study(study(tmp_path, "accuracy_outputs")), Places(tmp_path, tmp_path / "out"), jobs=1)
    results = read("mine", finished.tables)
    [row] = results.failures.to_dict("records")
    assert row["file"].endswith("strange.onnx")
    assert "onnxruntime cannot run it" in row["reason"]
    assert str(tmp_path) not in row["reason"]
    assert set(results.accuracy["file"]) == {"good.onnx"}


def test_a_run_emits_points_for_the_statistics_and_drift_beside_them(tmp_path: Path) -> None:
    classifier(tmp_path / "models" / "model.onnx")
    emitted: dict[str, pa.Table] = {}
    with open_model(tmp_path / "models" / "model.onnx") as model:
        params = AccuracyParams(**PART | {"elf": [8]})
        MEASURES["accuracy_outputs"].run([model], params, lambda name, rows: emitted.update({name: rows}))  # type: ignore[arg-type, list-item]
    assert emitted.keys() == {"coded", "points", "decisions", "drift"}
    assert emitted["points"].num_rows == emitted["drift"]["n"][0].as_py() == 64
    shutil.rmtree(tmp_path / "models")
