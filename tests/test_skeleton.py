"""A model file falls into ranges and a skeleton, and comes back from them byte for byte."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper
from samples import SAMPLES, SUFFIXES

from elf.errors import ElfError
from elf.files import replacing
from elf.formats import open_model
from elf.skeleton import Layout, Range, cut, interleave, join, seals, skeleton

if TYPE_CHECKING:
    from analysis.sources import Pulled

WEIGHT = np.arange(600, dtype="<f4").reshape(20, 30)


def rebuilt(source: Path, target: Path, *, small: int = 1, piece: int = 7) -> int:
    """Cut and join; returns the number of ranges."""
    with open_model(source) as model:
        layout, _ = cut(model, small=small)
        ranges = ([model.part(item.part)[item.start : item.stop].data] for item in layout.ranges)
        join(target, layout, interleave(layout, skeleton(model, layout, piece=piece), ranges))
        assert sum(map(len, skeleton(model, layout))) == layout.skeleton_bytes
    return len(layout.ranges)


def with_values(source: Path, target: Path, fill: int) -> None:
    """The same file with every byte of every range replaced."""
    with open_model(source) as model:
        layout, _ = cut(model, small=1)
        ranges = ([bytes([fill]) * item.size] for item in layout.ranges)
        join(target, layout, interleave(layout, skeleton(model, layout), ranges), changed=layout.ranges)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_every_format_comes_back_byte_for_byte(kind: str, tmp_path: Path) -> None:
    source = tmp_path / f"model{SUFFIXES.get(kind, '.bin')}"
    source.write_bytes(SAMPLES[kind]()[0])
    found = rebuilt(source, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert found == {"npz.deflated": 0, "hdf5": 1, "keras": 1, "npy": 1}.get(kind, 2)


def test_every_file_of_the_tiny_study_comes_back_byte_for_byte(tiny_study: Pulled, tmp_path: Path) -> None:
    for model in tiny_study.models:
        for file in model.files:
            rebuilt(file.path, tmp_path / "back", small=512, piece=1 << 20)
            assert (tmp_path / "back").read_bytes() == file.path.read_bytes()


def test_an_unknown_format_is_all_skeleton(tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"just text")
    assert rebuilt(tmp_path / "notes", tmp_path / "back") == 0
    assert (tmp_path / "back").read_bytes() == b"just text"


def test_small_tensors_and_aliases_stay_in_the_skeleton(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(SAMPLES["safetensors"]()[0])
    with open_model(tmp_path / "a.safetensors") as model:
        assert [tensor.name for tensor in cut(model, small=25)[1]] == ["weight"]


def test_an_array_in_fortran_order_is_a_range_as_it_is_stored(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(WEIGHT))
    with open_model(tmp_path / "a.npy") as model:
        layout, (tensor,) = cut(model)
        stored = model.part(0)[layout.ranges[0].start : layout.ranges[0].stop].view("<f4")
    assert tensor.shape == (30, 20)
    assert tensor.axes == (1, 0)
    assert np.array_equal(stored.reshape(tensor.shape).T, WEIGHT)


def external_onnx(folder: Path) -> Path:
    """A model whose tensors lie in two files beside it, one in a folder."""
    tensors = [numpy_helper.from_array(WEIGHT + index, f"w{index}") for index in range(2)]
    for tensor, location in zip(tensors, ("a.data", "deep/b.data"), strict=True):
        onnx.external_data_helper.set_external_data(tensor, location)
    (folder / "deep").mkdir(parents=True)
    for tensor in tensors:
        onnx.external_data_helper.save_external_data(tensor, str(folder))
        tensor.ClearField("raw_data")
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    path = folder / "model.onnx"
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    return path


def test_data_files_beside_a_model_come_back_beside_it(tmp_path: Path) -> None:
    source = external_onnx(tmp_path / "from")
    (tmp_path / "to").mkdir()
    assert rebuilt(source, tmp_path / "to" / "renamed.onnx") == 2
    for old, new in (("model.onnx", "renamed.onnx"), ("a.data", "a.data"), ("deep/b.data", "deep/b.data")):
        assert (tmp_path / "to" / new).read_bytes() == (tmp_path / "from" / old).read_bytes()


def test_a_data_file_with_other_content_is_never_replaced(tmp_path: Path) -> None:
    source = external_onnx(tmp_path / "from")
    (tmp_path / "to").mkdir()
    rebuilt(source, tmp_path / "to" / "model.onnx")
    rebuilt(source, tmp_path / "to" / "model.onnx")
    (tmp_path / "to" / "a.data").write_bytes(b"mine")
    (tmp_path / "to" / "model.onnx").write_bytes(b"old")
    with pytest.raises(ElfError, match=r"a\.data: is there already with other content"):
        rebuilt(source, tmp_path / "to" / "model.onnx")
    assert (tmp_path / "to" / "a.data").read_bytes() == b"mine"
    assert (tmp_path / "to" / "model.onnx").read_bytes() == b"old"
    assert len(list((tmp_path / "to").iterdir())) == 3


@pytest.mark.parametrize("name", ["", ".", "/x", "../x", "a/../x", "a\\x", "C:x", "a//b", "a\0", "model"])
def test_a_part_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ElfError, match="damaged layout"):
        Layout(("model", name), (1, 1), ())


def test_a_folder_that_is_a_link_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "deep").symlink_to(tmp_path)
    layout = Layout(("model", "deep/x"), (1, 1), ())
    with pytest.raises(ElfError, match="leaves the folder"):
        join(tmp_path / "to" / "model", layout, [b"ab"])
    assert not (tmp_path / "x").exists()


def test_a_part_of_the_new_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ElfError, match="choose another"):
        join(tmp_path / "x", Layout(("model", "x"), (1, 1), ()), [b"ab"])


@pytest.mark.parametrize(
    "ranges",
    [
        [Range(0, 0, 0)],
        [Range(0, -1, 3)],
        [Range(0, 8, 11)],
        [Range(1, 0, 1)],
        [Range(-1, 0, 1)],
        [Range(0, 0, 5), Range(0, 4, 6)],
        [Range(0, 5, 6), Range(0, 0, 1)],
        [Range(0, 0, 1 << 80)],
    ],
    ids=str,
)
def test_ranges_that_cannot_be_are_refused(ranges: list[Range]) -> None:
    with pytest.raises(ElfError, match="damaged layout"):
        Layout(("model",), (10,), tuple(ranges))


@pytest.mark.parametrize("sizes", [(), (1, 2), (-1,)])
def test_sizes_that_cannot_be_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ElfError, match="damaged layout"):
        Layout(("model",), sizes, ())


@st.composite
def _layouts(draw: st.DrawFn) -> Layout:
    sizes = draw(st.lists(st.integers(0, 40), min_size=1, max_size=3))
    ranges = []
    for part, size in enumerate(sizes):
        marks = sorted(draw(st.sets(st.integers(0, size), max_size=8)))
        ranges += [Range(part, start, stop) for start, stop in zip(marks[::2], marks[1::2], strict=False)]
    return Layout(tuple(f"p{part}" for part in range(len(sizes))), tuple(sizes), tuple(ranges))


@given(_layouts())
def test_segments_cover_every_byte_once_and_in_order(layout: Layout) -> None:
    expected = []
    taken = {(r.part, at): (n, at - r.start) for n, r in enumerate(layout.ranges) for at in range(r.start, r.stop)}
    skeletal = 0
    for part, size in enumerate(layout.sizes):
        for at in range(size):
            number, place = taken.get((part, at), (None, skeletal))
            skeletal += number is None
            expected.append((part, at, number, place))
    found = [
        (segment.part, at, segment.number, segment.at + at - segment.start)
        for segment in layout.segments()
        for at in range(segment.start, segment.stop)
    ]
    assert found == expected
    assert skeletal == layout.skeleton_bytes


@pytest.mark.parametrize(
    ("bones", "values"),
    [(b"abc", [b"xy", b"z"]), (b"abcde", [b"xy", b"z"]), (b"abcd", [b"x", b"yz"]), (b"abcd", [b"xyz", b""])],
)
def test_pieces_that_do_not_fit_are_refused_and_nothing_is_left(
    bones: bytes, values: list[bytes], tmp_path: Path
) -> None:
    layout = Layout(("m",), (7,), (Range(0, 1, 3), Range(0, 4, 5)))
    with pytest.raises(ElfError, match=r"missing|more bytes"):
        join(tmp_path / "m", layout, interleave(layout, [bones], [[value] for value in values]))
    assert not list(tmp_path.iterdir())


def _npz(folder: Path) -> Path:
    np.savez(folder / "a.npz", weight=WEIGHT, other=WEIGHT[:1])
    return folder / "a.npz"


def _streamed(folder: Path) -> Path:
    """Checksums behind the members, because a stream that cannot be sought was written to."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.content = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.content += bytes(memoryview(data))  # type: ignore[arg-type]
            return len(memoryview(data))  # type: ignore[arg-type]

    pipe, stream = Pipe(), io.BytesIO()
    np.save(stream, WEIGHT)
    with zipfile.ZipFile(pipe, "w") as archive:
        archive.writestr("weight.npy", stream.getvalue())
        archive.comment = b"a comment"
    (folder / "a.npz").write_bytes(pipe.content)
    return folder / "a.npz"


def _big_zip(folder: Path) -> Path:
    """With the larger header fields of zip64, behind bytes of something else."""
    stream = io.BytesIO()
    np.save(stream, WEIGHT)
    with zipfile.ZipFile(folder / "a.npz", "w") as archive, archive.open("weight.npy", "w", force_zip64=True) as file:
        file.write(stream.getvalue())
    return folder / "a.npz"


@pytest.mark.parametrize("make", [_npz, _streamed, _big_zip])
def test_zip_checksums_are_right_again_after_values_changed(make: object, tmp_path: Path) -> None:
    assert callable(make)
    source = make(tmp_path)
    with_values(source, tmp_path / "b.npz", 0x3C)
    with zipfile.ZipFile(tmp_path / "b.npz") as archive:
        assert archive.testzip() is None
    with np.load(tmp_path / "b.npz") as arrays:
        assert set(arrays["weight"].reshape(-1).view(np.uint8)) == {0x3C}
    assert (tmp_path / "b.npz").stat().st_size == source.stat().st_size


@pytest.mark.parametrize("kind", ["pytorch", "torchscript", "keras"])
def test_other_zips_pass_their_own_test_after_values_changed(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(SAMPLES[kind]()[0])
    with_values(tmp_path / "a", tmp_path / "b", 0x3C)
    with zipfile.ZipFile(tmp_path / "b") as archive:
        assert archive.testzip() is None
        if kind == "keras":
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
                assert set(file["weight"][()].reshape(-1).view(np.uint8)) == {0x3C}


def test_members_without_changes_keep_their_checksums(tmp_path: Path) -> None:
    """Even wrong ones: PyTorch can be told to leave them out."""
    source = _npz(tmp_path)
    with open_model(source) as model:
        layout, _ = cut(model)
        assert len(seals(model.part(0), [])) == 0
        assert len(seals(model.part(0), layout.ranges)) == 1
        assert len(seals(model.part(0), cut(model, small=1)[0].ranges)) == 2


def test_a_checksum_within_a_tensor_is_refused(tmp_path: Path) -> None:
    source = _npz(tmp_path)
    with open_model(source) as model, pytest.raises(ElfError, match="only lossless"):
        seals(model.part(0), [Range(0, 0, model.part(0).size)])


def test_when_writing_fails_the_old_file_remains(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as (stream,):
        stream.write(b"new" * (1 // 0))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ElfError, match="cannot be written: No such file"), replacing(tmp_path / "no" / "a"):
        pass
