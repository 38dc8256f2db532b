"""Model files of every format with tensors that are large enough for coded bytes of their own."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import format_files as files
import h5py
import numpy as np
import onnx
import safetensors.numpy
from numpy.typing import NDArray
from onnx import helper, numpy_helper

RNG = np.random.default_rng(20261123)
WEIGHT = (RNG.standard_normal((40, 50)) * 0.05).astype("<f4")
BIAS = (RNG.standard_normal(400) * 0.05).astype("<f4")
STEP = np.arange(6, dtype="<i8")
ARRAYS: dict[str, NDArray[Any]] = {"layer.weight": WEIGHT, "layer.bias": BIAS, "layer.twin": WEIGHT, "step": STEP}


def _safetensors(path: Path) -> None:
    safetensors.numpy.save_file(ARRAYS, path, {"format": "pt"})


def _npy(path: Path) -> None:
    np.save(path, np.asfortranarray(WEIGHT))


def _npz(path: Path) -> None:
    np.savez(path, **ARRAYS)


def _npz_deflated(path: Path) -> None:
    np.savez_compressed(path, **ARRAYS)


def _pytorch(path: Path) -> None:
    torch = files.Torch()
    shared = torch.storage(WEIGHT)
    state = {name: torch.tensor(array) for name, array in ARRAYS.items()}
    state["tied"] = files.view(shared, 0, (40, 50), (50, 1))
    state["tied again"] = files.view(shared, 0, (40, 50), (50, 1))
    state["turned"] = files.view(torch.storage(WEIGHT + 1), 0, (50, 40), (1, 50))
    path.write_bytes(torch.zip(state))


def _pytorch_legacy(path: Path) -> None:
    torch = files.Torch()
    path.write_bytes(torch.legacy({"layer.weight": torch.tensor(WEIGHT), "layer.bias": torch.tensor(BIAS)}))


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        for name, array in ARRAYS.items():
            file[name.replace(".", "/")] = array
        file.create_dataset("packed", data=WEIGHT, chunks=(8, 50), compression="gzip", fletcher32=True)


def _keras(path: Path) -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["layers/dense/vars/0"] = WEIGHT
        file["layers/dense/vars/1"] = BIAS
    path.write_bytes(files.zipped({"config.json": b"{}", "model.weights.h5": stream.getvalue()}))


def _gguf(path: Path) -> None:
    quantised = RNG.integers(0, 256, 34 * 40, np.uint8).tobytes()
    infos = [files.gguf_info("weight", (50, 40), 0, 0), files.gguf_info("q", (32, 40), 8, 8000)]
    path.write_bytes(files.gguf(infos, WEIGHT.tobytes() + quantised))


def _tflite(path: Path) -> None:
    tensors = [files.tflite_tensor("weight", (40, 50), 0, 1), files.tflite_tensor("bias", (400,), 0, 2)]
    path.write_bytes(files.tflite(tensors, [WEIGHT.tobytes(), BIAS.tobytes()]))


def _onnx(path: Path) -> None:
    listed = helper.make_tensor("listed", onnx.TensorProto.INT64, (6,), STEP.tolist())
    held = [numpy_helper.from_array(array, name) for name, array in ARRAYS.items()]
    graph = helper.make_graph([helper.make_node("Add", ["x", "layer.bias"], ["y"])], "g", [], [], [*held, listed])
    path.write_bytes(helper.make_model(graph).SerializeToString())


def _onnx_external(path: Path) -> None:
    held = [numpy_helper.from_array(WEIGHT + index, f"w{index}") for index in range(2)]
    for tensor, location in zip(held, (f"{path.name}.data", "deep/b.data"), strict=True):
        onnx.external_data_helper.set_external_data(tensor, location)
    (path.parent / "deep").mkdir(exist_ok=True)
    for tensor in held:
        onnx.external_data_helper.save_external_data(tensor, str(path.parent))
        tensor.ClearField("raw_data")
    path.write_bytes(helper.make_model(helper.make_graph([], "g", [], [], held)).SerializeToString())


def _unknown(path: Path) -> None:
    path.write_bytes(b"\0\1text that no reader knows" * 100)


WRITERS: dict[str, Callable[[Path], None]] = {
    "model.safetensors": _safetensors,
    "fortran.npy": _npy,
    "model.npz": _npz,
    "deflated.npz": _npz_deflated,
    "model.pt": _pytorch,
    "legacy.pt": _pytorch_legacy,
    "model.h5": _hdf5,
    "model.keras": _keras,
    "model.gguf": _gguf,
    "model.tflite": _tflite,
    "model.onnx": _onnx,
    "external.onnx": _onnx_external,
    "model.unknown": _unknown,
}
"""By the name that the file is given."""


def written(name: str, folder: Path) -> Path:
    """Write the model file called `name` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    WRITERS[name](folder / name)
    return folder / name
