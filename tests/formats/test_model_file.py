from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from elf.errors import ElfError
from elf.formats import ModelFile, open_model
from elf.formats.base import map_file, one_error
from elf.formats.found import Found


def test_an_unknown_format_is_bytes_without_tensors(tmp_path: Path) -> None:
    path = tmp_path / "model.whatever"
    path.write_bytes(b"hello, I am no model")
    with open_model(path) as model:
        assert (model.format, model.tensors, model.parts) == ("bytes", [], [path])
        assert model.part(0).tobytes() == path.read_bytes()


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.touch()
    with pytest.raises(ElfError, match=r"model.safetensors: is empty"):
        open_model(path)


def test_a_git_lfs_pointer_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    with pytest.raises(ElfError, match="git lfs pull"):
        open_model(path)


def test_a_missing_file_a_folder_and_a_bad_name_say_so(tmp_path: Path) -> None:
    with pytest.raises(ElfError, match="cannot be read: No such file"):
        open_model(tmp_path / "none")
    with pytest.raises(ElfError, match="not a regular file"):
        open_model(tmp_path)
    with pytest.raises(ElfError, match="cannot be read"):
        open_model(tmp_path / "a\0b")


def test_a_loop_of_links_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ElfError, match="cannot be read"):
        open_model(tmp_path / "a")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(ElfError, match="not a regular file"):
        open_model(tmp_path / "model.safetensors")


def test_what_damage_provokes_becomes_one_line_that_names_the_file() -> None:
    with pytest.raises(ElfError, match=r"^x: onnx: damaged or not what it claims: a b$"), one_error(Path("x"), "onnx"):
        raise ValueError("a\n   b")
    with pytest.raises(ElfError, match=r"^x: onnx: no$"), one_error(Path("x"), "onnx"), one_error(Path("x"), "onnx"):
        raise ElfError("no")
    with pytest.raises(ElfError, match="RecursionError"), one_error(Path("x"), "onnx"):
        raise RecursionError
    with pytest.raises(AttributeError), one_error(Path("x"), "onnx"):
        raise AttributeError("a bug of ours is not the file's fault")


def test_a_decoder_that_gives_too_little_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    found = Found("w", "u8", (9,), 0, 9, decode=lambda: np.zeros(8, np.uint8))
    with ModelFile(path, map_file(path), "bytes", [found]) as model, pytest.raises(ElfError, match="8 bytes, not 9"):
        model.bytes(model.tensors[0])


def test_parts_are_the_file_and_its_externals(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode() * 8)
    found = [Found("w", "u8", (3,), 2, 3, part=1)]
    path = tmp_path / "a"
    with ModelFile(path, map_file(path), "onnx", found, externals=[tmp_path / "b"]) as model:
        assert model.bytes(model.tensors[0]).tobytes() == b"bbb"
        assert [model.part(index).size for index in range(2)] == [8, 8]
    with pytest.raises(ElfError, match="No such file"):
        ModelFile(path, map_file(path), "onnx", found, externals=[tmp_path / "c"])


def test_reordered_axes_are_stored_plain_for_those_who_ask(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(24, dtype="<i2").reshape(2, 3, 4))
    np.save(tmp_path / "f.npy", array)
    with open_model(tmp_path / "f.npy") as model:
        (tensor,) = model.tensors
        stored = model.as_stored(tensor)
        assert (tensor.offset, tensor.axes, stored.shape, stored.axes) == (None, None, (4, 3, 2), (2, 1, 0))
        assert model.bytes(tensor).tobytes() == array.tobytes("C")
        laid = model.bytes(stored).view("<i2").reshape(stored.shape)
        assert np.array_equal(laid.transpose(np.argsort(stored.axes)), array)


def test_a_plain_tensor_is_as_stored_already(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.arange(6).reshape(2, 3))
    with open_model(tmp_path / "c.npy") as model:
        assert model.as_stored(model.tensors[0]) is model.tensors[0]
