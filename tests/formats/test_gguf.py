from __future__ import annotations

import struct
from pathlib import Path

import format_files as files
import numpy as np
import pytest

from elf.errors import ElfError
from elf.formats import ModelFile, open_model
from elf.tensor import DTYPES

WEIGHT = np.arange(64, dtype="<f4").reshape(2, 32)


def _open(folder: Path, content: bytes) -> ModelFile:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return open_model(path)


@pytest.mark.parametrize("version", [2, 3])
def test_tensors_are_ranges_behind_the_metadata(tmp_path: Path, version: int) -> None:
    keys = [
        files.gguf_key("a", 0, b"\1"),
        files.gguf_key("b", 12, struct.pack("<d", 1)),
        files.gguf_key("c", 8, files.gguf_text("text")),
        files.gguf_key("d", 9, struct.pack("<IQ", 8, 2) + files.gguf_text("x") + files.gguf_text("yz")),
        files.gguf_key("e", 9, struct.pack("<IQ", 4, 3) + bytes(12)),
        files.gguf_key("f", 9, struct.pack("<IQIQ", 9, 1, 7, 2) + bytes(2)),
    ]
    places = [("w", (32, 2), 0, 0), ("half", (4,), 1, 256), ("b", (4,), 30, 288)]
    infos = [files.gguf_info(*place) for place in places]
    content = files.gguf(infos, WEIGHT.tobytes() + bytes(range(64)), keys=keys, version=version)
    with _open(tmp_path, content) as model:
        w, half, brain = model.tensors
        assert (w.shape, w.dtype, half.dtype, brain.dtype) == ((2, 32), "f32", "f16", "bf16")
        assert model.bytes(w).tobytes() == WEIGHT.tobytes()
        assert model.bytes(half).tobytes() == bytes(range(8))
        assert model.bytes(brain).tobytes() == bytes(range(32, 40))


def test_the_alignment_is_the_files_own(tmp_path: Path) -> None:
    keys = [files.gguf_key("general.alignment", 4, struct.pack("<I", 128))]
    content = files.gguf([files.gguf_info("w", (8,), 0, 0)], WEIGHT[0, :8].tobytes(), keys=keys, align=128)
    with _open(tmp_path, content) as model:
        assert model.tensors[0].offset == 128
        assert model.bytes(model.tensors[0]).tobytes() == WEIGHT[0, :8].tobytes()
    for alignment in (0, 12):
        keys = [files.gguf_key("general.alignment", 4, struct.pack("<I", alignment))]
        with pytest.raises(ElfError, match=f"alignment {alignment} is no multiple of 8"):
            _open(tmp_path, files.gguf([], b"", keys=keys))


@pytest.mark.parametrize(("kind", "name"), [(2, "q4_0"), (8, "q8_0"), (12, "q4_k"), (23, "iq4_xs"), (39, "mxfp4")])
def test_quantised_blocks_stay_whole(tmp_path: Path, kind: int, name: str) -> None:
    block = DTYPES[name].block
    data = bytes(range(256)) * 8
    content = files.gguf([files.gguf_info("w", (2 * block, 3), kind, 0)], data)
    with _open(tmp_path, content) as model:
        (tensor,) = model.tensors
        assert (tensor.dtype, tensor.shape, tensor.nbytes) == (name, (3, 2 * block), 6 * DTYPES[name].block_bytes)
        assert model.bytes(tensor).tobytes() == data[: tensor.nbytes]
        assert tensor.role == "weight"
    with pytest.raises(ElfError, match=f"no whole blocks of {block}"):
        _open(tmp_path, files.gguf([files.gguf_info("w", (block - 1, 3), kind, 0)], data))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"GGUF", "truncated"),
        (files.gguf([], b"", version=1), "version 1 is not 2 or 3"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "truncated"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "claims 1152921504606846976 tensors"),
        (files.gguf([], b"", keys=[files.gguf_key("k", 8, struct.pack("<Q", 1 << 62))]), "truncated"),
        (files.gguf([], b"", keys=[files.gguf_key("k", 9, struct.pack("<IQ", 10, 1 << 62))]), "truncated"),
        (files.gguf([], b"", keys=[files.gguf_key("k", 9, struct.pack("<IQ", 9, 1) * 40)]), "too deep"),
        (files.gguf([], b"", keys=[files.gguf_key("k", 13, b"")]), "unknown or too deep type 13"),
        (files.gguf([files.gguf_info("w", (8,), 99, 0)], bytes(32)), "unknown type 99"),
        (files.gguf([files.gguf_info("w", (1,) * 5, 0, 0)], bytes(32)), "5 dimensions"),
        (files.gguf([files.gguf_info("w", (9,), 0, 0)], bytes(32)), "lies outside the file"),
        (files.gguf([files.gguf_info("w", (1 << 63, 1 << 63), 0, 0)], bytes(32)), "lies outside the file"),
        (files.gguf([files.gguf_info("w", (8,), 0, 1 << 63)], bytes(32)), "lies outside the file"),
        (files.gguf([files.gguf_info("w", (1,), 0, at) for at in (0, 4)], bytes(32)), "two tensors have the same name"),
    ],
)
def test_a_lying_header_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ElfError, match=reason):
        _open(tmp_path, content)


def test_scalars_and_empty_tensors(tmp_path: Path) -> None:
    infos = [files.gguf_info("one", (), 0, 0), files.gguf_info("none", (0, 4), 0, 32)]
    with _open(tmp_path, files.gguf(infos, bytes(32))) as model:
        assert [(tensor.shape, tensor.nbytes) for tensor in model.tensors] == [((), 4), ((4, 0), 0)]
