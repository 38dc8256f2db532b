from __future__ import annotations

import math
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from elf.errors import ElfError
from elf.formats import ModelFile, open_model

RNG = np.random.default_rng(3)
# Every type of ONNX that holds numbers, but for those under a byte.
_WHOLE = [
    kind
    for kind in TensorProto.DataType.values()
    if kind not in (TensorProto.UNDEFINED, TensorProto.STRING)
    and not any(label in TensorProto.DataType.Name(kind) for label in ("INT4", "INT2", "FLOAT4", "FLOAT6"))
]


def _save(path: Path, *initializers: TensorProto, nodes: list[onnx.NodeProto] | None = None) -> Path:
    graph = helper.make_graph(nodes or [], "graph", [], [], list(initializers))
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def _roles(model: ModelFile) -> dict[str, str]:
    return {tensor.name: tensor.role for tensor in model.tensors}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("kind", _WHOLE, ids=TensorProto.DataType.Name)
@pytest.mark.parametrize("raw", [True, False])
def test_every_type_reads_as_the_onnx_package_reads_it(path: Path, kind: int, raw: bool) -> None:
    numpy = helper.tensor_dtype_to_np_dtype(kind)
    array = RNG.integers(1, 60, (3, 5)).astype(numpy)
    if numpy.kind in "if":
        array[0] = -array[0]
    values = array.tobytes() if raw else array.flatten()
    _save(path, helper.make_tensor("x", kind, array.shape, values, raw=raw))
    (proto,) = onnx.load(path).graph.initializer
    with open_model(path) as model:
        (tensor,) = model.tensors
        assert tensor.shape == (3, 5)
        assert model.bytes(tensor).tobytes() == numpy_helper.to_array(proto).tobytes() == array.tobytes()
        if raw or numpy.kind == "c" or numpy in (np.float32, np.float64):
            assert tensor.offset is not None


@pytest.mark.parametrize("name", ["int4", "uint4", "float4_e2m1fn"])
@pytest.mark.parametrize("raw", [True, False])
def test_types_of_four_bits_stay_packed(path: Path, name: str, raw: bool) -> None:
    array = np.array([1, 2, 3, 4, 6]).astype(getattr(ml_dtypes, name))
    proto = numpy_helper.from_array(array, "x")
    packed = proto.raw_data
    if not raw:
        proto.ClearField("raw_data")
        proto.int32_data.extend(packed)
    _save(path, proto)
    with open_model(path) as model:
        (tensor,) = model.tensors
        assert (tensor.nbytes, tensor.n_params) == (3, 5)
        assert model.bytes(tensor).tobytes() == packed


def test_floats_of_six_bits_read_when_they_are_packed(path: Path) -> None:
    array = np.arange(8).astype(ml_dtypes.float6_e2m3fn)
    proto = numpy_helper.from_array(array, "x")
    with open_model(_save(path, proto)) as model:
        assert (model.tensors[0].dtype, model.bytes(model.tensors[0]).tobytes()) == ("f6_e2m3", proto.raw_data)
    proto = helper.make_tensor("x", proto.data_type, (8,), array)
    with pytest.raises(ElfError, match="six bits that are not packed"):
        open_model(_save(path, proto))


def test_elements_in_several_pieces_are_put_together(path: Path) -> None:
    values = np.arange(4, dtype="<f4")
    pieces = b"\x08\x04" + b"\x10\x01" + b"\x42\x01x"  # dims 4, f32, named x
    pieces += b"\x22\x08" + values[:2].tobytes() + b"".join(b"\x25" + value.tobytes() for value in values[2:])
    proto = TensorProto.FromString(pieces)
    assert proto.float_data == [0, 1, 2, 3]
    graph = b"\x2a" + bytes([len(pieces)]) + pieces
    path.write_bytes(b"\x08\x07\x3a" + bytes([len(graph)]) + graph)
    with open_model(path) as model:
        assert model.bytes(model.tensors[0]).tobytes() == values.tobytes()


def test_constants_subgraphs_and_sparse_tensors_are_found(path: Path) -> None:
    def tensor(name: str, *values: float) -> TensorProto:
        return helper.make_tensor(name, TensorProto.FLOAT, (len(values),), values)

    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["inside"], value=tensor("", 4, 5))], "branch", [], [], [tensor("w", 1, 2)]
    )
    nodes = [
        helper.make_node("Constant", [], ["constant"], value=tensor("ignored", 3, 3)),
        helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("ConstantOfShape", ["x"], ["filled"], value=tensor("", 9, 9)),
    ]
    graph = helper.make_graph(nodes, "graph", [], [], [tensor("w", 7, 8)])
    indices = helper.make_tensor("", TensorProto.INT64, (2,), (0, 3))
    graph.sparse_initializer.append(helper.make_sparse_tensor(tensor("sparse", 5, 6), indices, (4,)))
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with open_model(path) as model:
        names = sorted(tensor.name for tensor in model.tensors)
        assert names == sorted(
            ["constant", "inside", "inside#2", "w", "w#2", "w#3", "filled.value", "sparse", "sparse.indices"]
        )


def test_functions_hold_constants_too(path: Path) -> None:
    model = helper.make_model(helper.make_graph([], "graph", [], []))
    node = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(3, "<f4")))
    model.functions.append(helper.make_function("domain", "f", [], ["c"], [node], [helper.make_opsetid("", 18)]))
    path.write_bytes(model.SerializeToString())
    with open_model(path) as opened:
        assert [tensor.name for tensor in opened.tensors] == ["c"]


def test_text_is_no_tensor(path: Path) -> None:
    _save(path, helper.make_tensor("words", TensorProto.STRING, (2,), [b"a", b"b"]))
    with open_model(path) as model:
        assert model.tensors == []


def test_scalars_and_empty_tensors_read(path: Path) -> None:
    _save(path, numpy_helper.from_array(np.float32(3), "one"), numpy_helper.from_array(np.ones((0, 4), "<f4"), "none"))
    with open_model(path) as model:
        assert {tensor.name: (tensor.shape, tensor.nbytes) for tensor in model.tensors} == {
            "one": ((), 4),
            "none": ((0, 4), 0),
        }


def test_roles_come_from_the_operators(path: Path) -> None:
    vector, matrix = np.ones(4, "<f4"), np.ones((4, 4), "<f4")
    names = ["w", "s", "b", "m", "v", "q", "qs", "qz", "g", "beta", "a", "shape"]
    quantised = [matrix.astype("i1"), vector, vector.astype("i1")]
    arrays = [matrix, *[vector] * 4, *quantised, vector, vector, vector, np.ones(2, "<i8")]
    nodes = [
        helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"]),
        helper.make_node("DequantizeLinear", ["q", "qs", "qz"], ["d"]),
        helper.make_node("LayerNormalization", ["d", "g", "beta"], ["l"]),
        helper.make_node("MatMul", ["l", "w"], ["n"]),
        helper.make_node("Add", ["n", "a"], ["o"]),
        helper.make_node("Reshape", ["o", "shape"], ["p"]),
    ]
    _save(path, *[numpy_helper.from_array(array, name) for name, array in zip(names, arrays, strict=True)], nodes=nodes)
    with open_model(path) as model:
        assert _roles(model) == {
            **dict.fromkeys(["w", "q"], "weight"),
            **dict.fromkeys(["s", "b", "m", "v", "g", "beta"], "norm"),
            **dict.fromkeys(["qs", "qz"], "scale"),
            "a": "bias",
            "shape": "other",
        }


def _external(location: str, **entries: int) -> TensorProto:
    proto = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=(4,), data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        proto.external_data.add(key=key, value=str(value))
    return proto


def test_external_data_is_another_part(path: Path) -> None:
    arrays = [RNG.random((8, 300)).astype("<f4"), RNG.random((7, 300)).astype("<f4")]
    model = helper.make_model(
        helper.make_graph([], "g", [], [], [numpy_helper.from_array(array, f"w{i}") for i, array in enumerate(arrays)])
    )
    onnx.save(model, path, save_as_external_data=True, location="weights.data", size_threshold=0)
    with open_model(path) as opened:
        assert opened.parts == [path, path.parent / "weights.data"]
        assert [tensor.part for tensor in opened.tensors] == [1, 1]
        assert [opened.bytes(tensor).tobytes() for tensor in opened.tensors] == [array.tobytes() for array in arrays]


def test_one_data_file_under_two_names_is_one_part(path: Path) -> None:
    (path.parent / "data").write_bytes(bytes(16))
    second = _external("./data")
    second.name = "v"
    _save(path, _external("data"), second)
    with open_model(path) as model:
        assert len(model.parts) == 2
        assert [tensor.alias_of for tensor in model.tensors] == [None, "v"]


@pytest.mark.parametrize(
    "location", ["../data", "/etc/passwd", "a/../../data", "C:data", "\\\\host\\data", "", "a\0b", "link"]
)
def test_external_data_outside_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "data").write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "data")
    path = _save(folder / "model.onnx", _external(location))
    with pytest.raises(ElfError, match=r"leaves the model's folder: refused"):
        open_model(path)


def test_external_data_of_a_linked_model_lies_beside_its_target(tmp_path: Path) -> None:
    """As in the Hugging Face cache, where a snapshot is links to blobs."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "rev"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    _save(blobs / "1", _external("model.data"))
    (blobs / "2").write_bytes(bytes(range(16)))
    (snapshot / "model.onnx").symlink_to(blobs / "1")
    (snapshot / "model.data").symlink_to(blobs / "2")
    with open_model(snapshot / "model.onnx") as model:
        assert model.bytes(model.tensors[0]).tobytes() == bytes(range(16))


def test_external_data_in_a_loop_of_links_is_refused(path: Path) -> None:
    (path.parent / "data").symlink_to(path.parent / "data")
    with pytest.raises(ElfError, match=r"onnx: "):
        open_model(_save(path, _external("data")))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"offset": 4}, "lies outside the file"),
        ({"offset": -4}, "impossible offset"),
        ({"offset": 10**30}, "impossible offset"),
        ({"length": 12}, "holds 12 bytes, its shape needs 16"),
    ],
)
def test_external_data_with_a_lying_range_is_refused(path: Path, entries: dict[str, int], reason: str) -> None:
    (path.parent / "data").write_bytes(bytes(16))
    with pytest.raises(ElfError, match=reason):
        open_model(_save(path, _external("data", **entries)))


def test_external_data_that_is_missing_says_so(path: Path) -> None:
    with pytest.raises(ElfError, match="data: cannot be read: No such file"):
        open_model(_save(path, _external("data")))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dims": [3]}, "holds 16 bytes, its shape needs 12"),
        ({"dims": [-4]}, "impossible shape"),
        ({"dims": [1 << 62, 1 << 62]}, "its shape needs"),
        ({"data_type": 99}, "unknown type 99"),
        ({"data_type": 0}, "unknown type 0"),
        ({"raw_data": b""}, "holds 0 bytes"),
    ],
)
def test_a_lying_tensor_is_refused(path: Path, changes: dict[str, object], reason: str) -> None:
    fields = {"name": "w", "data_type": 1, "dims": [4], "raw_data": bytes(16)} | changes
    with pytest.raises(ElfError, match=reason):
        open_model(_save(path, TensorProto(**fields)))


def test_a_tensor_without_elements_is_refused(path: Path) -> None:
    with pytest.raises(ElfError, match="has no elements, its shape needs 16 bytes"):
        open_model(_save(path, TensorProto(name="w", data_type=1, dims=[4])))


def test_graphs_within_graphs_end(path: Path) -> None:
    graph = b""
    for _ in range(3000):
        attribute = b"\x32" + _length(graph) + graph
        node = b"\x2a" + _length(attribute) + attribute
        graph = b"\x0a" + _length(node) + node
    path.write_bytes(b"\x08\x07\x3a" + _length(graph) + graph)
    with pytest.raises(ElfError, match="graphs lie within graphs"):
        open_model(path)


def _length(data: bytes) -> bytes:
    out, size = [], len(data)
    for _ in range(max(0, (math.frexp(size)[1] - 1) // 7)):
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*out, size])


def test_a_file_without_a_graph_is_no_model(path: Path) -> None:
    path.write_bytes(b"\x08\x07")
    with pytest.raises(ElfError, match="no graph"):
        open_model(path)
    path.write_bytes(b"not a protobuf")
    with pytest.raises(ElfError, match=r"model.onnx: onnx: "):
        open_model(path)
