from __future__ import annotations

from pathlib import Path

import format_files as files
import numpy as np
import pytest

from elf.errors import ElfError
from elf.formats import ModelFile, open_model
from elf.formats.found import MAX_TENSORS

WEIGHT = np.arange(12, dtype="<f4").reshape(3, 4)


def _open(folder: Path, content: bytes) -> ModelFile:
    path = folder / "model.tflite"
    path.write_bytes(content)
    return open_model(path)


def test_tensors_without_a_buffer_are_no_constants(tmp_path: Path) -> None:
    tensors = [files.tflite_tensor("input", (1, 4), 0, 0), files.tflite_tensor("w", (3, 4), 0, 1)]
    with _open(tmp_path, files.tflite(tensors, [WEIGHT.tobytes()])) as model:
        (tensor,) = model.tensors
        assert (tensor.name, tensor.shape, model.bytes(tensor).tobytes()) == ("w", (3, 4), WEIGHT.tobytes())


def test_a_shared_buffer_is_an_alias(tmp_path: Path) -> None:
    tensors = [files.tflite_tensor(name, (3, 4), 0, 1) for name in ("b", "a")]
    with _open(tmp_path, files.tflite(tensors, [WEIGHT.tobytes()])) as model:
        assert [(tensor.name, tensor.alias_of) for tensor in model.tensors] == [("a", None), ("b", "a")]


def test_biases_are_told_by_their_operator_even_when_unpacked_first(tmp_path: Path) -> None:
    tensors = [
        files.tflite_tensor("x", (1, 4), 0, 0),
        files.tflite_tensor("kernel", (3, 4), 0, 1),
        files.tflite_tensor("packed", (3,), 1, 2),
        files.tflite_tensor("bias", (3,), 0, 0),
        files.tflite_tensor("y", (1, 3), 0, 0),
        files.tflite_tensor("second", (3,), 0, 3),
        files.tflite_tensor("z", (1, 3), 0, 0),
    ]
    operators = [(6, [2], [3]), (9, [0, 1, 3], [4]), (0, [4, 5], [6])]
    buffers = [WEIGHT.tobytes(), bytes(6), bytes(12)]
    with _open(tmp_path, files.tflite(tensors, buffers, operators)) as model:
        roles = {tensor.name: tensor.role for tensor in model.tensors}
        assert roles == {"kernel": "weight", "packed": "bias", "second": "weight"}


def test_quantisation_comes_beside_its_tensor(tmp_path: Path) -> None:
    scales, zeros = np.arange(3, dtype="<f4"), np.arange(3, dtype="<i8")
    quantisation = files.Table({2: files.Vector("f", scales.tolist()), 3: files.Vector("q", zeros.tolist())})
    tensors = [files.tflite_tensor("w", (3, 4), 9, 1, quantization=quantisation)]
    with _open(tmp_path, files.tflite(tensors, [bytes(range(12))])) as model:
        read = {tensor.name: (tensor.role, model.bytes(tensor).tobytes()) for tensor in model.tensors}
        assert read == {
            "w": ("weight", bytes(range(12))),
            "w:scale": ("scale", scales.tobytes()),
            "w:zero_point": ("scale", zeros.tobytes()),
        }


def test_sparse_tensors_hold_their_values_and_indices(tmp_path: Path) -> None:
    def indices(code: str, kind: int, *values: int) -> tuple[tuple[str, int], files.Table]:
        return ("B", kind), files.Table({0: files.Vector(code, values)})

    segments, positions = indices("H", 2, 0, 1, 3), indices("B", 3, 2, 0, 1)
    dimensions = [
        files.Table({0: ("b", 0), 1: ("i", 3)}),
        files.Table({0: ("b", 1), 2: segments[0], 3: segments[1], 4: positions[0], 5: positions[1]}),
    ]
    sparsity = files.Table({0: files.Vector("i", (0, 1)), 2: dimensions})
    tensors = [files.tflite_tensor("w", (3, 4), 0, 1, sparsity=sparsity)]
    with _open(tmp_path, files.tflite(tensors, [WEIGHT[0, :3].tobytes()])) as model:
        read = {tensor.name: (tensor.shape, tensor.dtype, tensor.role) for tensor in model.tensors}
        assert read == {
            "w": ((3,), "f32", "weight"),
            "w:segments1": ((3,), "u16", "other"),
            "w:indices1": ((3,), "u8", "other"),
        }


def test_a_large_buffer_lies_behind_the_flatbuffer(tmp_path: Path) -> None:
    tensors = [files.tflite_tensor("w", (3, 4), 0, 1)]
    graph = files.Table({0: tensors})
    buffers = [files.Table({}), files.Table({1: ("Q", 4096), 2: ("Q", 48)})]
    content = files.flatbuffer(files.Table({0: ("I", 3), 2: [graph], 4: buffers}))
    with _open(tmp_path, content.ljust(4096, b"\0") + WEIGHT.tobytes()) as model:
        assert model.tensors[0].offset == 4096
        assert model.bytes(model.tensors[0]).tobytes() == WEIGHT.tobytes()
    with pytest.raises(ElfError, match="lies outside the file"):
        _open(tmp_path, content.ljust(4096, b"\0"))


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (files.tflite_tensor("w", (3, 5), 0, 1), "holds 48 bytes, its shape needs 60"),
        (files.tflite_tensor("w", (-3, -4), 0, 1), "impossible shape"),
        (files.tflite_tensor("w", (1,) * 65, 0, 1), "impossible shape"),
        (files.tflite_tensor("w", (3, 4), 99, 1), "unknown type 99"),
        (files.tflite_tensor("w", (3, 4), 0, 7), "the buffer 7 of 2"),
    ],
)
def test_a_lying_tensor_is_refused(tmp_path: Path, tensor: files.Table, reason: str) -> None:
    with pytest.raises(ElfError, match=reason):
        _open(tmp_path, files.tflite([tensor], [WEIGHT.tobytes()]))


def test_text_is_no_tensor(tmp_path: Path) -> None:
    with _open(tmp_path, files.tflite([files.tflite_tensor("s", (1,), 5, 1)], [b"words"])) as model:
        assert model.tensors == []


def test_one_table_for_countless_tensors_is_refused(tmp_path: Path) -> None:
    """Offsets in a vector may all point to one table: four bytes of file for a tensor with a name of any length."""
    tensor = files.tflite_tensor("n" * 5000, (1,), 3, 1)
    with pytest.raises(ElfError, match="more than"):
        _open(tmp_path, files.tflite([tensor] * (MAX_TENSORS + 1), [b"x"]))
