from __future__ import annotations

import io
import struct
from pathlib import Path

import format_files as files
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elf.errors import ElfError
from elf.formats import open_model

_TYPES = ["?", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "|i1", "|u1", ">i2", "<u4", ">i8", "<c8", ">c16"]


def _npy(header: str, data: bytes = bytes(8), version: bytes = b"\1\0") -> bytes:
    size = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    return b"\x93NUMPY" + version + size + header.encode() + data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(_TYPES).flatmap(lambda code: hnp.arrays(code, hnp.array_shapes(min_dims=0, min_side=0))),
    st.sampled_from("CF"),
    st.booleans(),
)
def test_any_array_reads_back_little_endian_in_c_order(
    tmp_path: Path, array: np.ndarray, order: str, deflated: bool
) -> None:
    array = array.copy(order=order)
    (np.savez_compressed if deflated else np.savez)(tmp_path / "a.npz", x=array)
    with open_model(tmp_path / "a.npz") as model:
        (tensor,) = model.tensors
        assert tensor.shape == array.shape
        assert model.bytes(tensor).tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes("C")
        stored = model.as_stored(tensor)
        if stored.axes is not None:
            laid = model.bytes(stored).tobytes()
            assert laid == array.tobytes("F")


def test_stored_little_endian_arrays_are_ranges_of_the_file(tmp_path: Path) -> None:
    array = np.arange(10, dtype="<f4")
    np.savez(tmp_path / "a.npz", x=array, y=array.astype(">f4"))
    with open_model(tmp_path / "a.npz") as model:
        x, y = model.tensors
        assert x.offset is not None
        assert model.part(0)[x.offset :][:40].tobytes() == array.tobytes()
        assert (y.offset, y.stored) == (None, 40)


def test_types_that_numpy_does_not_name_keep_their_bytes(tmp_path: Path) -> None:
    array = np.arange(6, dtype="<f4").astype(ml_dtypes.bfloat16)
    np.save(tmp_path / "a.npy", array)
    with open_model(tmp_path / "a.npy") as model:
        (tensor,) = model.tensors
        assert (tensor.name, tensor.dtype, model.bytes(tensor).tobytes()) == ("a", "u16", array.tobytes())


def test_text_and_records_are_no_tensors(tmp_path: Path) -> None:
    record = np.zeros(3, [("a", "<f4"), ("b", "<i2")])
    day = np.array(["2024-01-01"], "M8[D]")
    np.savez(tmp_path / "a.npz", text=np.array(["a", "b"]), record=record, day=day, w=np.ones(2))
    with open_model(tmp_path / "a.npz") as model:
        assert [tensor.name for tensor in model.tensors] == ["w"]


def test_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}, 1], object), allow_pickle=True)
    with pytest.raises(ElfError, match="Python objects"):
        open_model(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}"), "holds 8 bytes, its shape needs 12"),
        (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1 << 60,)}"), "damaged"),
        (_npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({1 << 60},)}}"), "its shape needs"),
        (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}"), "impossible shape"),
        (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (True, 2)}"), "impossible shape"),
        (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': [2]}"), "impossible shape"),
        (_npy("{'descr': '<f4', 'shape': (2,)}"), "not exactly descr"),
        (_npy("{'descr': '<f4', 'fortran_order': __import__('os'), 'shape': (2,)}"), "damaged"),
        (_npy("[" * 5000), "damaged"),
        (_npy("-" * 9000 + "1"), "damaged|not exactly"),
        (_npy(" " * 20_000), "damaged npy header"),
        (_npy("{}", version=b"\4\0"), "damaged npy header"),
        (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (%s)}" % ("1," * 70 + "2,")), "71 dimensions"),
    ],
)
def test_a_lying_header_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ElfError, match=reason):
        open_model(tmp_path / "a.npy")


def test_later_npy_versions_read(tmp_path: Path) -> None:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"
    for version in (b"\2\0", b"\3\0"):
        (tmp_path / "a.npy").write_bytes(_npy(header, version=version))
        with open_model(tmp_path / "a.npy") as model:
            assert model.tensors[0].shape == (2,)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(1, "<f4"))
    head = stream.getvalue().replace(b"(1,), }" + b" " * 12, f"({1 << 40},), }}".encode().ljust(19))
    content = bytearray(files.zipped({"bomb.npy": head + bytes(100_000)}, method=8))
    for name in (b"PK\1\2", b"PK\3\4"):  # the size that directory and header claim
        at = content.index(name) + (24 if name == b"PK\1\2" else 22)
        content[at : at + 4] = struct.pack("<I", 0xFFFFFFF0)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ElfError, match="its shape needs"):
        open_model(tmp_path / "a.npz")


def test_a_member_that_holds_less_than_its_shape_is_refused_when_read(tmp_path: Path) -> None:
    head = _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000,)}", b"")
    content = bytearray(files.zipped({"x.npy": head + bytes(200_000)}, method=8))
    claimed = struct.pack("<I", len(head) + 1_000_000)
    for name, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = content.index(name) + offset
        content[at : at + 4] = claimed
    (tmp_path / "a.npz").write_bytes(content)
    with open_model(tmp_path / "a.npz") as model, pytest.raises(ElfError, match="ends after 200000 of 1000000 bytes"):
        model.bytes(model.tensors[0])
