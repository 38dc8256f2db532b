"""One small file of each kind that is read, with the bytes of its tensors as the one who wrote it knows them."""

from __future__ import annotations

import io
from collections.abc import Callable

import format_files as files
import h5py
import numpy as np
import onnx
import safetensors.numpy
from onnx import helper, numpy_helper

WEIGHT = np.arange(24, dtype="<f4").reshape(4, 6) / 7
BIAS = np.linspace(-1, 1, 6, dtype="<f4")
Sample = tuple[bytes, dict[str, bytes]]

_BOTH = {"weight": WEIGHT, "bias": BIAS}
_BYTES = {name: array.tobytes() for name, array in _BOTH.items()}


def _safetensors() -> Sample:
    return safetensors.numpy.save(_BOTH, {"format": "pt"}), _BYTES


def _npy() -> Sample:
    stream = io.BytesIO()
    np.save(stream, WEIGHT)
    return stream.getvalue(), {"npy": WEIGHT.tobytes()}


def _npz() -> Sample:
    stream = io.BytesIO()
    np.savez(stream, **_BOTH)
    return stream.getvalue(), _BYTES


def _npz_deflated() -> Sample:
    stream = io.BytesIO()
    np.savez_compressed(stream, **_BOTH)
    return stream.getvalue(), _BYTES


def _pytorch() -> Sample:
    torch = files.Torch()
    return torch.zip({name: torch.tensor(array) for name, array in _BOTH.items()}), _BYTES


def _pytorch_legacy() -> Sample:
    torch = files.Torch()
    return torch.legacy({name: torch.tensor(array) for name, array in _BOTH.items()}), _BYTES


def _torchscript() -> Sample:
    torch = files.Torch()
    module = files.Calls(
        files.Name("__torch__", "Net"), (), {name: torch.tensor(array) for name, array in _BOTH.items()}
    )
    return torch.zip(module, extra={"constants.pkl": files.pickled(())}), _BYTES


def _hdf5() -> Sample:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["weight"] = WEIGHT
        file.create_dataset("bias", data=BIAS, chunks=(3,), compression="gzip")
    return stream.getvalue(), _BYTES


def _keras() -> Sample:
    content, tensors = _hdf5()
    return files.zipped({"config.json": b"{}", "model.weights.h5": content}), tensors


def _gguf() -> Sample:
    infos = [files.gguf_info("weight", (6, 4), 0, 0), files.gguf_info("bias", (6,), 0, 96)]
    keys = [files.gguf_key("general.architecture", 8, files.gguf_text("none"))]
    return files.gguf(infos, WEIGHT.tobytes() + BIAS.tobytes(), keys=keys), _BYTES


def _tflite() -> Sample:
    tensors = [files.tflite_tensor("weight", (4, 6), 0, 1), files.tflite_tensor("bias", (6,), 0, 2)]
    return files.tflite(tensors, [WEIGHT.tobytes(), BIAS.tobytes()]), _BYTES


def _onnx() -> Sample:
    bias = helper.make_tensor("bias", onnx.TensorProto.FLOAT, (6,), BIAS.tolist())
    nodes = [helper.make_node("Gemm", ["x", "weight", "bias"], ["y"])]
    graph = helper.make_graph(nodes, "g", [], [], [numpy_helper.from_array(WEIGHT, "weight"), bias])
    return helper.make_model(graph).SerializeToString(), _BYTES


SAMPLES: dict[str, Callable[[], Sample]] = {
    "safetensors": _safetensors,
    "npy": _npy,
    "npz": _npz,
    "npz.deflated": _npz_deflated,
    "pytorch": _pytorch,
    "pytorch-legacy": _pytorch_legacy,
    "torchscript": _torchscript,
    "hdf5": _hdf5,
    "keras": _keras,
    "gguf": _gguf,
    "tflite": _tflite,
    "onnx": _onnx,
}
"""By the format that ModelFile calls them, a variant behind a dot."""

SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "tflite": ".tflite"}
"""Formats without a magic number at the very start, which a short file can be told by its name alone."""
