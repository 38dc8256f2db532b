from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import format_files as files
import h5py
import ml_dtypes
import numpy as np
import pytest

from elf.errors import ElfError
from elf.formats import ModelFile, open_model

WEIGHT = np.arange(24, dtype="<f4").reshape(4, 6)


def _bytes(fill: Callable[[h5py.File], object], **options: object) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", **options) as file:
        fill(file)
    return stream.getvalue()


def _open(folder: Path, fill: Callable[[h5py.File], object], **options: object) -> ModelFile:
    path = folder / "model.h5"
    path.write_bytes(_bytes(fill, **options))
    return open_model(path)


def _read(model: ModelFile) -> dict[str, bytes]:
    return {tensor.name: model.bytes(tensor).tobytes() for tensor in model.tensors}


@pytest.mark.parametrize("code", ["?", "<f2", ">f2", "<f4", ">f4", "<f8", "|i1", "|u1", "<i2", ">u4", "<i8", ">c8"])
def test_every_type_reads_little_endian(tmp_path: Path, code: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(code)
    little = array.astype(array.dtype.newbyteorder("<"))

    def fill(file: h5py.File) -> None:
        file["plain"] = array
        file.create_dataset("chunked", data=array, chunks=(1, 2), compression="gzip", shuffle=True)

    with _open(tmp_path, fill) as model:
        tensors = {tensor.name: tensor for tensor in model.tensors}
        assert tensors["plain"].dtype == tensors["chunked"].dtype
        assert _read(model) == dict.fromkeys(tensors, little.tobytes())
        assert (tensors["plain"].offset is None) == (code.startswith(">"))
        assert tensors["chunked"].offset is None
        assert tensors["chunked"].stored > 0


def test_bfloat16_reads_as_keras_writes_it(tmp_path: Path) -> None:
    array = WEIGHT.astype(ml_dtypes.bfloat16)

    def fill(file: h5py.File) -> None:
        for name, options in (("plain", {}), ("chunked", {"chunks": (2, 2), "compression": "lzf"})):
            file.create_dataset(name, data=array.view("V2"), **options).attrs["dtype"] = "bfloat16"
        file["opaque"] = array.view("V2")

    with _open(tmp_path, fill) as model:
        assert {tensor.name: tensor.dtype for tensor in model.tensors} == {"plain": "bf16", "chunked": "bf16"}
        assert set(_read(model).values()) == {array.tobytes()}


def test_a_contiguous_dataset_is_a_range_of_the_file_behind_any_user_block(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["layers/dense/vars/0"] = WEIGHT

    path = tmp_path / "model.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        fill(file)
    with open_model(path) as model:
        (tensor,) = model.tensors
        assert tensor.name == "layers/dense/vars/0"
        assert tensor.offset is not None
        assert tensor.offset > 1024
        assert _read(model) == {tensor.name: WEIGHT.tobytes()}


def test_a_keras_archive_gives_ranges_of_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"

    def fill(file: h5py.File) -> None:
        file["layers/dense/vars/0"] = WEIGHT
        file["layers/dense/vars/1"] = WEIGHT[0]
        file["layers/batch_normalization/vars/0"] = WEIGHT[0]
        file["optimizer/vars/3"] = WEIGHT
        file["big"] = WEIGHT.astype(">f4")

    path.write_bytes(files.zipped({"config.json": bytes(77), "model.weights.h5": _bytes(fill)}))
    with open_model(path) as model:
        assert model.format == "keras"
        assert {tensor.name: tensor.role for tensor in model.tensors} == {
            "layers/dense/vars/0": "weight",
            "layers/dense/vars/1": "bias",
            "layers/batch_normalization/vars/0": "norm",
            "optimizer/vars/3": "optimizer",
            "big": "weight",
        }
        assert _read(model)["layers/dense/vars/0"] == _read(model)["big"] == WEIGHT.tobytes()
    path.write_bytes(files.zipped({"model.weights.h5": _bytes(fill)}, 8))
    with pytest.raises(ElfError, match="zip it with -0"):
        open_model(path)


def test_scalars_empty_compact_and_unwritten_datasets(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["one"] = np.float32(3)
        file["none"] = WEIGHT[:0]
        file.create_dataset("unwritten", (2, 3), "<f4", fillvalue=7)
        file["null"] = h5py.Empty("f4")
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.COMPACT)
        h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4,)), layout)
        file["compact"][:] = WEIGHT[0, :4]

    with _open(tmp_path, fill) as model:
        assert _read(model) == {
            "one": np.float32(3).tobytes(),
            "none": b"",
            "unwritten": np.full(6, 7, "<f4").tobytes(),
            "compact": WEIGHT[0, :4].tobytes(),
        }


def test_text_and_records_are_no_tensors(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["text"] = "hello"
        file["fixed"] = np.array([b"a", b"b"])
        file["record"] = np.zeros(3, [("a", "<f4"), ("b", "<i2")])
        file["w"] = WEIGHT

    with _open(tmp_path, fill) as model:
        assert [tensor.name for tensor in model.tensors] == ["w"]


@pytest.mark.parametrize("options", [{}, {"chunks": (2, 2), "compression": "gzip"}])
def test_hard_links_are_aliases_and_cycles_end(tmp_path: Path, options: dict[str, object]) -> None:
    def fill(file: h5py.File) -> None:
        file.create_dataset("a/w", data=WEIGHT, **options)
        file["b"] = file["a/w"]
        file["a/again"] = file["a"]
        file["root"] = file["/"]
        file["soft"] = h5py.SoftLink("/a/w")

    with _open(tmp_path, fill) as model:
        assert sorted(tensor.name for tensor in model.tensors) == ["a/w", "b"]
        (alias,) = [tensor for tensor in model.tensors if tensor.alias_of]
        assert alias.stored == 0
        assert set(_read(model).values()) == {WEIGHT.tobytes()}


def test_links_and_storage_outside_are_refused_and_never_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["w"] = WEIGHT

    def link(file: h5py.File) -> None:
        file["link"] = h5py.ExternalLink("other.h5", "/w")

    def storage(file: h5py.File) -> None:
        file.create_dataset("w", (4, 6), "<f4", external=[(str(tmp_path / "raw"), 0, 96)])

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((4, 6), "<f4")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "w", (4, 6))
        file.create_virtual_dataset("w", layout)

    for fill, reason in ((link, "link to another file"), (storage, "stored in another file"), (virtual, "is virtual")):
        with pytest.raises(ElfError, match=f"{reason}.*: refused"):
            _open(tmp_path, fill)


def test_a_filter_plugin_is_refused_and_never_loaded(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk((4, 6))
        layout.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        h5py.h5d.create(file.id, b"w", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4, 6)), layout)

    with pytest.raises(ElfError, match="needs the filter plugin 32015: refused"):
        _open(tmp_path, fill)


def test_the_search_path_of_plugins_is_as_it_was(tmp_path: Path) -> None:
    h5py.h5pl.append(b"/nowhere")
    before = [h5py.h5pl.get(index) for index in range(h5py.h5pl.size())]
    try:
        _open(tmp_path, lambda file: file.create_dataset("w", data=WEIGHT)).close()
        assert [h5py.h5pl.get(index) for index in range(h5py.h5pl.size())] == before
    finally:
        h5py.h5pl.remove(len(before) - 1)


def test_sparse_claims_are_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    def contiguous(file: h5py.File) -> None:
        file.create_dataset("w", (1 << 40,), "<f4")

    def chunked(file: h5py.File) -> None:
        file.create_dataset("w", (1 << 40,), "<f4", chunks=(1024,), compression="gzip")[:10] = 1

    def giant_chunks(file: h5py.File) -> None:
        file.create_dataset("w", (10,), "<f4", chunks=(1 << 28,), maxshape=(None,))

    for fill in (contiguous, chunked, giant_chunks):
        with pytest.raises(ElfError, match="are stored"):
            _open(tmp_path, fill)


def test_a_path_of_endless_groups_is_refused(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["/".join(["group"] * 300) + "/w"] = WEIGHT

    with pytest.raises(ElfError, match="a path of more than"):
        _open(tmp_path, fill)


def test_a_damaged_chunk_is_an_error_when_it_is_read(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.create_dataset("w", data=np.arange(5000, dtype="<f4"), chunks=(5000,), compression="gzip", fletcher32=True)

    content = _bytes(fill)
    (tmp_path / "model.h5").write_bytes(content[:-200] + bytes(200))
    with open_model(tmp_path / "model.h5") as model, pytest.raises(ElfError, match=r"model.h5: hdf5: damaged"):
        model.bytes(model.tensors[0])


def test_h5py_is_imported_for_hdf5_files_only(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", WEIGHT)
    code = (
        "import sys; from pathlib import Path; from elf.formats import open_model\n"
        "open_model(Path(sys.argv[1])).close(); assert 'h5py' not in sys.modules and 'onnx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.npy"], check=True)
