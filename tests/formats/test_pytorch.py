from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import format_files as files
import numpy as np
import pytest

from elf.errors import ElfError
from elf.formats import ModelFile, open_model

WEIGHT = np.arange(12, dtype="<f4").reshape(3, 4)


def _open(folder: Path, content: bytes) -> ModelFile:
    path = folder / "model.pt"
    path.write_bytes(content)
    return open_model(path)


def _read(model: ModelFile) -> dict[str, bytes]:
    return {tensor.name: model.bytes(tensor).tobytes() for tensor in model.tensors}


@pytest.mark.parametrize("code", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1", "c8"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_every_type_reads_in_either_byte_order(tmp_path: Path, code: str, big_endian: bool) -> None:
    torch = files.Torch(big_endian=big_endian)
    array = np.arange(12).astype(code).reshape(3, 4)
    with _open(tmp_path, torch.zip({"w": torch.tensor(array)})) as model:
        assert _read(model) == {"w": array.astype(array.dtype.newbyteorder("<")).tobytes()}
        assert (model.tensors[0].offset is None) == (big_endian and array.itemsize > 1)


def test_types_without_a_numpy_name_read(tmp_path: Path) -> None:
    torch = files.Torch()
    raw = np.arange(8, dtype="<u2")
    root = {
        "b": torch.tensor(raw, "BFloat16Storage"),
        "q": torch.tensor(raw.astype("i1"), "QInt8Storage"),
        "u": torch.tensor(raw.astype("u1"), "UntypedStorage"),
    }
    with _open(tmp_path, torch.zip(root)) as model:
        assert {tensor.name: tensor.dtype for tensor in model.tensors} == {"b": "bf16", "q": "i8", "u": "u8"}


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_tied_tensors_are_aliases(tmp_path: Path, kind: str) -> None:
    torch = files.Torch()
    storage = torch.storage(WEIGHT)
    root = {
        "head": files.view(storage, 0, (3, 4), (4, 1)),
        "embed": files.view(storage, 0, (3, 4), (4, 1)),
        "turned": files.view(storage, 0, (4, 3), (1, 4)),
        "row": files.view(storage, 4, (4,), (1,)),
    }
    with _open(tmp_path, getattr(torch, kind)(root)) as model:
        tensors = {tensor.name: tensor for tensor in model.tensors}
        assert {name: tensor.alias_of for name, tensor in tensors.items()} == {
            "embed": None, "head": "embed", "turned": "embed", "row": "embed",
        }  # fmt: skip
        assert sum(tensor.stored for tensor in model.tensors) == WEIGHT.nbytes
        assert _read(model)["turned"] == WEIGHT.T.tobytes()
        assert _read(model)["row"] == WEIGHT[1].tobytes()


def test_an_expanded_tensor_that_claims_more_than_is_stored_is_refused(tmp_path: Path) -> None:
    torch = files.Torch()
    root = {"w": files.view(torch.storage(WEIGHT), 0, (1 << 20, 1 << 20), (0, 0))}
    with pytest.raises(ElfError, match="claims 4398046511104 bytes but only 4 are stored"):
        _open(tmp_path, torch.zip(root))


def test_deflated_storages_are_decoded(tmp_path: Path) -> None:
    torch = files.Torch()
    stored = torch.zip({"w": torch.tensor(WEIGHT), "none": torch.tensor(WEIGHT[:0])})
    deflated = files.zipped({"model/data/0": WEIGHT.tobytes(), "model/data/1": b""}, 8)
    pickle = files.zipped({"model/data.pkl": files.pickled({"w": files.Torch().tensor(WEIGHT)})})
    with _open(tmp_path, _joined(pickle, deflated)) as model:
        (tensor,) = model.tensors
        assert tensor.offset is None
        assert _read(model) == {"w": WEIGHT.tobytes()}
    with _open(tmp_path, stored) as model:
        assert _read(model) == {"w": WEIGHT.tobytes(), "none": b""}


def _joined(*archives: bytes) -> bytes:
    """One archive of the members of several, each compressed as it was."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        for content in archives:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for info in archive.infolist():
                    out.writestr(info.filename, archive.read(info), info.compress_type)
    return stream.getvalue()


def test_a_compressed_pickle_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ElfError, match="zip with -0"):
        _open(tmp_path, files.zipped({"m/data.pkl": files.pickled({})}, 8))


def test_torchscript_has_constants_with_storages_of_their_own(tmp_path: Path) -> None:
    torch, constants = files.Torch(), files.Torch()
    root = files.Calls(files.Name("__torch__.net", "Net"), (), {"w": torch.tensor(WEIGHT), "training": False})
    pickled = files.pickled((constants.tensor(WEIGHT[0]),))
    extra = {"constants.pkl": pickled, "constants/0": WEIGHT[0].tobytes(), "code/net.py": b"raise SystemExit"}
    with _open(tmp_path, torch.zip(root, extra=extra)) as model:
        assert model.format == "torchscript"
        assert _read(model) == {"w": WEIGHT.tobytes(), "constants.0": WEIGHT[0].tobytes()}


def test_optimizer_state_is_told_from_weights(tmp_path: Path) -> None:
    torch = files.Torch()
    state = {0: {"step": 3, "exp_avg": torch.tensor(WEIGHT), "exp_avg_sq": torch.tensor(WEIGHT)}}
    layers = {
        "conv.weight": torch.tensor(WEIGHT),
        "1.weight": torch.tensor(WEIGHT[0]),
        "1.bias": torch.tensor(WEIGHT[0]),
        "1.running_mean": torch.tensor(WEIGHT[0]),
        "fc.bias": torch.tensor(WEIGHT[0]),
    }
    with _open(tmp_path, torch.zip({"model": layers, "optimizer_state": {"state": state}})) as model:
        assert {tensor.name: tensor.role for tensor in model.tensors} == {
            "model.conv.weight": "weight",
            "model.1.weight": "norm",
            "model.1.bias": "norm",
            "model.1.running_mean": "norm",
            "model.fc.bias": "bias",
            "optimizer_state.state.0.exp_avg": "optimizer",
            "optimizer_state.state.0.exp_avg_sq": "optimizer",
        }


def test_the_old_format_has_views_of_storages(tmp_path: Path) -> None:
    torch = files.Torch()
    torch.storage(WEIGHT)

    def part(*place: object) -> files.Stored:
        return files.Stored(("storage", files.Name("torch", "FloatStorage"), "0", "cpu", 12, place or None))

    root = {"a": files.view(part("v", 4, 4), 0, (4,), (1,)), "b": files.view(part(), 0, (12,), (1,))}
    with _open(tmp_path, torch.legacy(root)) as model:
        assert _read(model) == {"a": WEIGHT[1].tobytes(), "b": WEIGHT.tobytes()}
    for place in (("v", 4, 9), ("v", -1, 2), ("v", 4), ("v", "4", 4)):
        with pytest.raises(ElfError, match=r"beyond it|impossible view"):
            _open(tmp_path, torch.legacy({"a": files.view(part(*place), 0, (1,), (1,))}))


def test_a_lying_count_in_the_old_format_is_refused(tmp_path: Path) -> None:
    torch = files.Torch()
    content = torch.legacy({"w": torch.tensor(WEIGHT)})
    at = len(content) - WEIGHT.nbytes - 8
    for count in (13, -1, 1 << 62):
        with pytest.raises(ElfError, match="truncated: storage '0' claims"):
            _open(tmp_path, content[:at] + struct.pack("<q", count) + content[at + 8 :])


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ((), "no storage"),
        ("storage", "no storage"),
        (("storage", "FloatStorage", "0", "cpu", 4), "no storage"),
        (("storage", files.Name("torch", "StrangeStorage"), "0", "cpu", 4), "class 'StrangeStorage' is unknown"),
        (("storage", files.Name("torch", "FloatStorage"), "9", "cpu", 4), "storage '9' is missing"),
        (("storage", files.Name("torch", "FloatStorage"), ("0",), "cpu", 4), "neither text nor a number"),
        (("storage", files.Name("torch", "FloatStorage"), "0", "cpu", 13), "holds 48 bytes, it claims 52"),
        (("storage", files.Name("torch", "FloatStorage"), "0", "cpu", -1), "impossible number"),
        (("storage", files.Name("torch", "FloatStorage"), "../data.pkl", "cpu", 1), "is missing"),
    ],
)
def test_a_lying_reference_is_refused(tmp_path: Path, reference: object, reason: str) -> None:
    torch = files.Torch()
    torch.storage(WEIGHT)
    with pytest.raises(ElfError, match=reason):
        _open(tmp_path, torch.zip({"w": files.view(files.Stored(reference), 0, (1,), (1,))}))


def test_objects_of_unknown_classes_do_not_stop_the_reading(tmp_path: Path) -> None:
    torch = files.Torch()
    config = files.Calls(files.Name("os", "system"), ("touch ran",), {"tensor": torch.tensor(WEIGHT)})
    with _open(tmp_path, torch.zip({"config": config, "w": torch.tensor(WEIGHT)})) as model:
        assert set(_read(model)) == {"config.tensor", "w"}
    assert not Path("ran").exists()


def test_the_old_format_reads_in_any_pickle_protocol(tmp_path: Path) -> None:
    content = files.Torch().legacy({})
    framed = b"\x80\x04\x95" + struct.pack("<Q", 13) + content[2:]
    with _open(tmp_path, framed) as model:
        assert (model.format, model.tensors) == ("pytorch-legacy", [])


def test_another_protocol_of_the_old_format_is_refused(tmp_path: Path) -> None:
    content = files.Torch().legacy({}).replace(files.pickled(1001), files.pickled(1002), 1)
    with pytest.raises(ElfError, match="the protocol is not 1001"):
        _open(tmp_path, content)
