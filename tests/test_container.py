"""Elves files: what comes back, what is refused, and that equal tensors are equal bytes wherever they are."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from format_files import Torch
from hypothesis import given
from hypothesis import strategies as st
from model_files import ARRAYS, BIAS, WEIGHT, WRITERS, written

import elf
from elf.bound import Bound
from elf.container import ElvesFile, is_elves
from elf.errors import ElfError
from elf.formats import open_model
from elf.formats.base import map_file
from elf.index import INDEX, RESERVED, Index, Row, escaped
from elf.info import describe
from elf.payload import Payload
from elf.tensor import Tensor
from elf.verify import damages
from elf.writer import compress_file

if TYPE_CHECKING:
    from analysis.sources import Pulled

BOUND = 2.0**-24


@pytest.fixture(params=sorted(WRITERS))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written(str(request.param), tmp_path / "from")


def coded(source: Path, **options: Any) -> Path:
    """The Elves file of a model file, in a folder beside."""
    folder = source.parent.parent / "elves"
    folder.mkdir(exist_ok=True)
    target = folder / f"{source.name}.elves.safetensors"
    elf.compress(source, target, **options)
    return target


def restored(elves: Path, name: str, **options: Any) -> Path:
    folder = elves.parent.parent / "to"
    folder.mkdir(exist_ok=True)
    elf.decompress(elves, folder / name, **options)
    return folder / name


def assert_same_tensors(elves: Path, source: Path, bound: float = 0.0) -> None:
    """Every tensor of the original, in its order, within `bound`; exactly, where it may not be lossy."""
    with open_model(source) as model, elf.open(elves) as file:
        assert list(file) == [tensor.name for tensor in model.tensors]
        for tensor in model.tensors:
            assert (file.dtype_of(tensor.name), file.shape_of(tensor.name)) == (tensor.dtype, tensor.shape)
            before, after = model.bytes(tensor), file.bytes(tensor)
            if file.bound_of(tensor.name) is None:
                assert np.array_equal(before, after)
            else:
                assert file.bound_of(tensor.name) == bound
                assert np.abs(before.view("<f4") - after.view("<f4")).max() <= bound


def test_every_format_comes_back_byte_for_byte(source: Path) -> None:
    elves = coded(source, lossless=True, jobs=2)
    back = restored(elves, source.name, jobs=2)
    for path in source.parent.rglob("*"):
        assert path.is_dir() or (back.parent / path.relative_to(source.parent)).read_bytes() == path.read_bytes()
    assert_same_tensors(elves, source)


def test_within_the_bound_everything_else_comes_back_exactly(source: Path) -> None:
    elves = coded(source)
    back = restored(elves, source.name)
    assert_same_tensors(elves, source, BOUND)
    assert_same_tensors(elves, back, BOUND)
    with ElvesFile(elves) as file, open_model(source) as model, open_model(back) as other:
        lossy = [
            file.index.layout.ranges[n]
            for n, (_, row) in enumerate(file.index.ranges)
            if file.bound_of(row.tensor.name)
        ]
        for part in range(len(model.parts)):
            differ = np.flatnonzero(model.part(part) != other.part(part))
            if not zipfile.is_zipfile(source):
                assert all(any(r.part == part and r.start <= at < r.stop for r in lossy) for at in differ)
    if zipfile.is_zipfile(back):
        with zipfile.ZipFile(back) as archive:
            assert archive.testzip() is None


def test_lossy_files_open_with_their_own_libraries(tmp_path: Path) -> None:
    for name in ("model.npz", "model.keras", "model.h5", "model.safetensors"):
        elves = coded(written(name, tmp_path / "from"))
        restored(elves, name)
    with np.load(tmp_path / "to" / "model.npz") as arrays:
        assert_close(dict(arrays))
    assert_close(safetensors.numpy.load_file(tmp_path / "to" / "model.safetensors"))
    with h5py.File(tmp_path / "to" / "model.h5") as file:
        assert_close({name: file[name.replace(".", "/")][()] for name in ARRAYS})
        assert np.array_equal(file["packed"][()], WEIGHT)
    with zipfile.ZipFile(tmp_path / "to" / "model.keras") as archive:
        content = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as file:
        assert np.abs(file["layers/dense/vars/0"][()] - WEIGHT).max() <= BOUND
        assert np.array_equal(file["layers/dense/vars/1"][()], BIAS)


def assert_close(arrays: dict[str, Any]) -> None:
    assert set(arrays) == set(ARRAYS)
    for name, array in arrays.items():
        assert np.abs(array - ARRAYS[name]).max() <= (BOUND if array.ndim == 2 else 0)
    assert not np.array_equal(arrays["layer.weight"], WEIGHT)


def test_the_file_is_a_safetensors_file_of_one_tensor_each(tmp_path: Path) -> None:
    elves = coded(written("model.safetensors", tmp_path / "from"))
    with safetensors.safe_open(elves, "numpy") as file:
        names = set(file.keys())
        payload = file.get_tensor("layer.bias").tobytes()
        assert file.metadata() == {"format": "elves", "version": "1"}
    assert names == {"layer.bias", "layer.twin", INDEX, f"{RESERVED}/skeleton/0"} | names & {"layer.weight"}
    assert len(names) == 4
    assert np.array_equal(elf.decode(payload), BIAS)


def test_any_tensor_is_read_without_the_rest(tmp_path: Path) -> None:
    elves = coded(written("model.safetensors", tmp_path / "from"), lossless=True)
    data = bytearray(elves.read_bytes())
    with ElvesFile(elves) as file:
        start = {row.tensor.name: file._starts[row.payload] for row in file.index.rows if row.payload is not None}
    at = start["layer.weight"] + 60
    data[at : at + 100] = bytes(100)
    elves.write_bytes(data)
    with elf.open(elves) as file:
        assert np.array_equal(file["layer.bias"], BIAS)
        with pytest.raises(ElfError, match=r"tensor 'layer\.\w+': damaged"):
            file["layer.weight"]


def test_arrays_come_with_shape_and_type(tmp_path: Path) -> None:
    arrays = elf.load_file(coded(written("model.gguf", tmp_path / "from"), lossless=True))
    assert np.array_equal(arrays["weight"], WEIGHT)
    assert arrays["weight"].dtype == np.float32
    assert (arrays["q"].dtype, arrays["q"].shape) == (np.uint8, (34 * 40,))


def test_types_that_numpy_lacks_come_as_integers_of_their_width(tmp_path: Path) -> None:
    bits = np.arange(2000, dtype="<u2")
    header = json.dumps({"a": {"dtype": "BF16", "shape": [40, 50], "data_offsets": [0, 4000]}}).encode()
    (tmp_path / "from").mkdir()
    source = tmp_path / "from" / "a.safetensors"
    source.write_bytes(len(header).to_bytes(8, "little") + header + bits.tobytes())
    with elf.open(coded(source)) as file:
        assert file.dtype_of("a") == "bf16"
        assert np.array_equal(file["a"], bits.reshape(40, 50))


def test_a_name_that_is_not_there_is_a_key_error(tmp_path: Path) -> None:
    with elf.open(coded(written("model.npz", tmp_path / "from"))) as file:
        for access in (file.__getitem__, file.dtype_of, file.shape_of, file.bound_of):
            with pytest.raises(KeyError):
                access("nothing")
        assert "nothing" not in file


def test_aliases_and_turned_tensors_are_what_they_are_in_the_original(tmp_path: Path) -> None:
    arrays = elf.load_file(coded(written("model.pt", tmp_path / "from"), lossless=True))
    assert np.array_equal(arrays["tied again"], WEIGHT)
    assert np.array_equal(arrays["turned"], (WEIGHT + 1).T)


def test_what_lies_under_an_alias_is_lossy_only_if_the_alias_may_be(tmp_path: Path) -> None:
    source = written("model.pt", tmp_path / "from")
    for keep in ("tied", "tied again"):
        with elf.open(coded(source, keep=[keep])) as file:
            assert file.bound_of("tied") is file.bound_of("tied again") is None
            assert file.bound_of("layer.weight") == BOUND
            assert any(
                "is stored in the same bytes: kept by" in choice.reason for choice in describe(file).choices
            ) == (keep != "tied")
    with elf.open(coded(source)) as file:
        assert file.bound_of("tied") == file.bound_of("tied again") == BOUND


def test_equal_layers_are_stored_once(tmp_path: Path) -> None:
    elves = coded(written("model.npz", tmp_path / "from"))
    with elf.open(elves) as file:
        choices = {choice.name: choice for choice in describe(file).choices}
        assert len(file.index.payloads) == 2
        assert choices["layer.twin"].same_as == "layer.weight"
        assert choices["layer.twin"].bytes_out == 0


def test_equal_layers_of_which_one_is_kept_are_two(tmp_path: Path) -> None:
    with elf.open(coded(written("model.npz", tmp_path / "from"), keep=["*twin"])) as file:
        assert np.array_equal(file["layer.twin"], WEIGHT)
        assert not np.array_equal(file["layer.weight"], WEIGHT)


def test_the_sizes_of_info_add_up(source: Path) -> None:
    elves = coded(source)
    with elf.open(elves) as file:
        info = describe(file)
    assert info.bytes_tensors + info.bytes_skeleton + info.bytes_container == info.bytes_out == elves.stat().st_size
    assert sum(choice.bytes_out for choice in info.choices) == info.bytes_tensors
    assert info.bytes_in >= source.stat().st_size
    assert info.lossy == sum(choice.bound is not None for choice in info.choices)
    json.dumps(info.to_dict())


def test_every_file_of_the_tiny_study_comes_back(tiny_study: Pulled, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    for model in tiny_study.models:
        for file in model.files:
            source = tmp_path / "from" / Path(file.path).name
            shutil.copy(file.path, source)
            elves = coded(source, lossless=True, jobs=2)
            assert restored(elves, source.name, jobs=2).read_bytes() == source.read_bytes()
            elves = coded(source, jobs=2)
            assert_same_tensors(elves, source, BOUND)
            assert_same_tensors(elves, restored(elves, source.name), BOUND)
            (tmp_path / "to" / source.name).unlink()


def test_any_number_of_jobs_gives_the_same_bytes(source: Path) -> None:
    one = coded(source, jobs=1).read_bytes()
    assert coded(source, jobs=5).read_bytes() == one


def payload_of(elves: Path, name: str) -> bytes:
    with safetensors.safe_open(elves, "numpy") as file:
        return bytes(file.get_tensor(name).tobytes())


def test_equal_tensors_are_equal_bytes_in_any_file_beside_any_neighbours(tmp_path: Path) -> None:
    """So that coded revisions of a model still share their chunks."""
    found = set()
    for number, names in enumerate((["a"], ["z", "a"], ["a", "z", "b"], ["k", "a"])):
        folder = tmp_path / str(number) / "from"
        folder.mkdir(parents=True)
        arrays = {name: WEIGHT if name == "a" else WEIGHT * 2 for name in names}
        safetensors.numpy.save_file(arrays, folder / "m.safetensors", {"n": "x" * number})
        np.savez(folder / "m.npz", **{name: array.reshape(40, 50) for name, array in arrays.items()})
        found |= {payload_of(coded(folder / f"m.{kind}", jobs=number + 1), "a") for kind in ("safetensors", "npz")}
    assert len(found) == 1


def chunks(data: bytes) -> dict[bytes, int]:
    """Content-defined chunks of 512 bytes on average: they end where a hash of the last 16 bytes is small."""
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), 16)
    factors = np.random.default_rng(1).integers(1, 1 << 32, 16, np.uint64)
    ends = np.flatnonzero((windows @ factors).astype(np.uint32) < (1 << 23)) + 16
    pieces = [data[start:stop] for start, stop in pairwise([0, *ends.tolist(), len(data)])]
    return {hashlib.sha256(piece).digest(): len(piece) for piece in pieces}


def test_coded_revisions_share_their_chunks_as_the_originals_do(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    rng = np.random.default_rng(2)
    first = {f"layer{n:02}.weight": (rng.standard_normal((64, 128)) * 0.05).astype("<f4") for n in range(12)}
    second = {"added.weight": first["layer03.weight"] * 2, **first, "layer07.weight": first["layer07.weight"] + 0.01}
    found = []
    for number, arrays in enumerate((first, second)):
        source = tmp_path / "from" / f"{number}.safetensors"
        safetensors.numpy.save_file(arrays, source)
        found.append((source.read_bytes(), coded(source).read_bytes()))
    for before, after in zip(*found, strict=True):
        known = chunks(before)
        shared = sum(size for digest, size in chunks(after).items() if digest in known)
        assert shared > 0.9 * len(after) * 11 / 13


@pytest.mark.parametrize("name", ["", "__metadata__", RESERVED, INDEX, f"{RESERVED}/name/", "ä/ö ✓", 'a"\\b\n', "a\0b"])
def test_any_name_is_kept(name: str, tmp_path: Path) -> None:
    torch = Torch()  # PyTorch has no rule for names
    state = {name: torch.tensor(WEIGHT), "other": torch.tensor(WEIGHT + 1)}
    (tmp_path / "from").mkdir()
    source = tmp_path / "from" / "model.pt"
    source.write_bytes(torch.zip(state))
    elves = coded(source, lossless=True)
    assert restored(elves, source.name).read_bytes() == source.read_bytes()
    assert np.array_equal(elf.load_file(elves)[name], WEIGHT)
    with safetensors.safe_open(elves, "numpy") as plain:
        assert escaped(name) in plain.keys()  # noqa: SIM118 - it is no mapping
    exported = restored(elves, "plain.safetensors", to="safetensors")
    assert set(safetensors.numpy.load_file(exported)) == {escaped(name), "other"}


@given(st.sets(st.text(st.characters(codec="utf-8")), max_size=20))
def test_escaped_names_are_as_many_as_names(names: set[str]) -> None:
    wild = {*names, *(f"{RESERVED}{name}" for name in names), *map(escaped, names), "", "__metadata__", INDEX}
    keys = set(map(escaped, wild))
    assert len(keys) == len(wild)
    assert not keys & {"", "__metadata__", INDEX}


def test_export_writes_every_tensor_of_any_format(source: Path) -> None:
    elves = coded(source, lossless=True)
    exported = restored(elves, "plain.safetensors", to="safetensors")
    with open_model(source) as model, open_model(exported) as plain:
        found = {tensor.name: tensor for tensor in plain.tensors}
        assert set(found) == {escaped(tensor.name) for tensor in model.tensors}
        for tensor in model.tensors:
            assert np.array_equal(model.bytes(tensor), plain.bytes(found[escaped(tensor.name)]))
    with safetensors.safe_open(exported, "numpy") as file:
        assert len(file.keys()) == len(found)


def test_export_to_anything_else_is_refused(tmp_path: Path) -> None:
    elves = coded(written("model.npz", tmp_path / "from"))
    with pytest.raises(ElfError, match="'onnx': an Elves file is restored"):
        elf.decompress(elves, tmp_path / "x", to="onnx")


def test_a_file_is_not_written_over_its_own_source(tmp_path: Path) -> None:
    source = written("model.npz", tmp_path / "from")
    before = source.read_bytes()
    with pytest.raises(ElfError, match="is the input itself"):
        elf.compress(source, source)
    elves = coded(source)
    with pytest.raises(ElfError, match="is the input itself"):
        elf.decompress(elves, elves)
    assert source.read_bytes() == before
    assert len(elf.load_file(elves)) == 4


def test_an_elves_file_is_not_coded_again(tmp_path: Path) -> None:
    elves = coded(written("model.npz", tmp_path / "from"))
    assert is_elves(map_file(elves))
    with pytest.raises(ElfError, match="is an Elves file already"):
        elf.compress(elves, tmp_path / "twice")


def test_other_files_are_no_elves_files(source: Path) -> None:
    with pytest.raises(ElfError, match="is no Elves file"):
        elf.open(source)
    assert not is_elves(map_file(source))


def test_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    elves = coded(written("model.npz", tmp_path / "from"))
    elves.write_bytes(elves.read_bytes().replace(b'"version":"1"', b'"version":"2"', 1))
    with pytest.raises(ElfError, match="has version '2' of the Elves format; this library reads version 1"):
        elf.open(elves)


def test_a_changed_name_or_type_in_the_header_is_seen(tmp_path: Path) -> None:
    elves = coded(written("model.npz", tmp_path / "from"))
    for old, new in ((b"layer.bias", b"layer.bios"), (b'"U8"', b'"I8"'), (b"[0,", b"[1,")):
        data = elves.read_bytes()
        assert old in data
        (tmp_path / "changed").write_bytes(data.replace(old, new, 1))
        with pytest.raises(ElfError, match="damaged header"):
            elf.open(tmp_path / "changed")


def test_a_pattern_that_names_nothing_stops_before_anything_is_written(tmp_path: Path) -> None:
    source = written("model.npz", tmp_path / "from")
    with pytest.raises(ElfError, match=r"m/from/model\.npz|the pattern 'no\*' names no tensor"):
        coded(source, keep=["no*"])
    assert not list((tmp_path / "elves").iterdir())


@pytest.mark.parametrize("bound", [2.0**-10, 1e-5, Bound("rms", 1e-4), Bound("max", 1e-5)], ids=str)
def test_a_bound_that_is_asked_for_is_kept(bound: float | Bound, tmp_path: Path) -> None:
    elves = coded(written("model.npz", tmp_path / "from"), bound=bound, lossy=["*weight"])
    scale = {"rms": np.sqrt(np.mean(WEIGHT.astype("<f8") ** 2)), "max": np.abs(WEIGHT).max()}
    allowed = bound.value * scale[bound.kind] if isinstance(bound, Bound) else bound
    error = np.abs(elf.load_file(elves)["layer.weight"].astype("<f8") - WEIGHT).max()
    assert 0 < error <= allowed


def test_how_tensors_are_batched_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written("model.pt", tmp_path / "from")
    before = coded(source).read_bytes()
    monkeypatch.setattr("elf.writer.LARGE", 100)
    monkeypatch.setattr("elf.writer.BATCH", 2000)
    assert coded(source, jobs=3).read_bytes() == before


def test_progress_adds_up(source: Path) -> None:
    done: list[int] = []
    elves = coded(source, progress=done.append)
    with elf.open(elves) as file:
        size = sum(file.index.sizes)
    assert sum(done) == size
    done.clear()
    restored(elves, source.name, progress=done.append)
    assert sum(done) == size


def test_damage_is_told_tensor_by_tensor(tmp_path: Path) -> None:
    elves = coded(written("model.npz", tmp_path / "from"), lossless=True)
    with ElvesFile(elves) as file:
        assert damages(file) == []
        starts = list(file._starts)
    data = bytearray(elves.read_bytes())
    for start in starts[:3]:
        data[start + 70] ^= 1
    elves.write_bytes(data)
    with ElvesFile(elves) as file:
        found = damages(file)
    places = ["tensor 'layer.weight'", "tensor 'layer.bias'", "tensor 'layer.twin'", "piece 0 of the skeleton"]
    assert len(found) == 4
    assert all(place in line for place, line in zip(places, found, strict=True))


def test_a_skeleton_that_is_not_the_originals_is_seen(tmp_path: Path) -> None:
    """Whatever the checksums of the pieces say: the whole has a digest of its own."""
    elves = coded(written("model.npz", tmp_path / "from"), lossless=True)
    with ElvesFile(elves) as file:
        broken = replace(file.index, digests=("0" * 32,))
        file.index = broken
        assert "not the file that it was made from" in damages(file)[0]


def _index(**changes: Any) -> Index:
    rows = (
        Row(Tensor("a", "f32", (2, 3), 24, 24, 8, role="weight"), 0, "weight"),
        Row(Tensor("b", "u8", (4,), 4, 4, 0), None, "small"),
    )
    plain = Index("npy", 400, ("m",), (40,), ("0" * 32,), (50,), (60,), 1 << 24, rows)
    return replace(plain, **changes)


def test_an_index_comes_back_from_its_bytes() -> None:
    assert Index.from_bytes(_index().to_bytes()) == _index()


ROW = ["a", "f32", [2, 3], "weight", 0, 8, None, None, 24, 0, 0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2), ("format", 1), ("format", None), ("header", -1), ("header", 1 << 40), ("header", True),
        ("parts", []), ("parts", [["m", 40]]), ("parts", [["m", -1, "0"]]), ("parts", [["m", 1 << 70, "0"]]),
        ("parts", [["m", 40, "0"], ["../x", 1, "0"]]), ("parts", 7), ("payloads", [1, 2]), ("payloads", []),
        ("payloads", [-1]), ("payloads", ["1"]), ("payloads", [1e300]), ("skeleton", []), ("skeleton", [1, 2]),
        ("piece", 0), ("piece", 1 << 62), ("piece", None), ("reasons", []), ("reasons", [1]), ("tensors", {}),
        ("tensors", [ROW, ROW]), ("tensors", [ROW[:-1]]), ("tensors", [[*ROW, 1]]), ("tensors", None),
    ],
)  # fmt: skip
def test_a_hostile_index_is_refused(field: str, value: object) -> None:
    fields = json.loads(_index().to_bytes())
    fields[field] = value
    with pytest.raises(ElfError, match="damaged"):
        Index.from_bytes(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (0, 1), (0, "\ud800"), (1, "f31"), (1, []), (1, None), (2, [2, -3]), (2, [1 << 70]), (2, [1 << 32] * 4),
        (2, [1] * 65), (2, "23"), (2, [2, 30]), (3, "boss"), (4, 1), (4, -1), (5, -1), (5, 17), (5, None), (5, 1 << 66),
        (6, [0]), (6, [0, 0]), (6, [0, 2]), (6, [1, "0"]), (7, "b"), (7, 3), (8, -1), (8, None), (9, 1), (9, -1),
        (9, "0"), (10, 5), (10, -1),
    ],
)  # fmt: skip
def test_a_hostile_row_is_refused(column: int, value: object) -> None:
    fields = json.loads(_index().to_bytes())
    fields["tensors"][0][column] = value
    with pytest.raises(ElfError, match="damaged"):
        Index.from_bytes(json.dumps(fields).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b"[" * 100_000, b'{"version":1}', b"1" * 5000, b"\xff"])
def test_what_is_no_index_is_refused(data: bytes) -> None:
    with pytest.raises(ElfError, match="damaged index"):
        Index.from_bytes(data)


def test_ranges_that_overlap_are_refused() -> None:
    fields = json.loads(_index().to_bytes())
    fields["tensors"].append(["c", "f32", [2], "weight", 0, 28, None, None, 24, 0, 0])
    with pytest.raises(ElfError, match="overlap"):
        Index.from_bytes(json.dumps(fields).encode())


def test_files_of_no_tensor_and_of_empty_ones_come_back(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    np.savez(tmp_path / "from" / "a.npz", empty=np.empty((0, 3), "<f4"), one=np.float32(7))
    elves = coded(tmp_path / "from" / "a.npz")
    assert restored(elves, "a.npz").read_bytes() == (tmp_path / "from" / "a.npz").read_bytes()
    arrays = elf.load_file(elves)
    assert arrays["empty"].shape == (0, 3)
    assert arrays["one"] == 7
    assert Payload(payload_of(elves, INDEX)).head.dtype == "u8"


def test_a_missing_source_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ElfError, match=r"nothing: cannot be read: No such file"):
        compress_file(tmp_path / "nothing", tmp_path / "x")
    with pytest.raises(ElfError, match=r"nothing: cannot be read: No such file"):
        elf.open(tmp_path / "nothing")
