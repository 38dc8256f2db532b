from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elf.errors import ElfError
from elf.formats import open_model
from elf.formats.safetensors import MAX_HEADER

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def _file(path: Path, header: object, data: bytes = bytes(8)) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def _is_refused_by_the_reference(path: Path) -> bool:
    try:
        safetensors.deserialize(path.read_bytes())
    except (safetensors.SafetensorError, OverflowError):
        return True
    return False


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xff", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"a": ' + b"[" * 100_000, "not JSON"),
        (b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 8]}}', "NaN, which is not JSON"),
        (b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 8]}}', "not JSON"),
        (b'{"a": {"dtype": "F32", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', "key 'dtype' twice"),
        ({"a": 3}, "not exactly dtype, shape and data_offsets"),
        ({"a": {"dtype": "F32", "shape": [2]}}, "not exactly"),
        ({"a": ENTRY | {"dtype": "F33"}}, "unknown dtype 'F33'"),
        ({"a": ENTRY | {"dtype": []}}, "unknown dtype"),
        ({"a": ENTRY | {"shape": [-2]}}, "no whole number"),
        ({"a": ENTRY | {"shape": [2.0]}}, "no whole number"),
        ({"a": ENTRY | {"shape": [True, 2]}}, "no whole number"),
        ({"a": ENTRY | {"shape": [1 << 64]}}, "no whole number"),
        ({"a": ENTRY | {"shape": [1 << 62, 1 << 62, 1 << 62]}}, "its shape needs"),
        ({"a": ENTRY | {"shape": [3]}}, "holds 8 bytes, its shape needs 12"),
        ({"a": ENTRY | {"shape": "2"}}, "no whole number"),
        ({"a": ENTRY | {"data_offsets": [8, 0]}}, "impossible data_offsets"),
        ({"a": ENTRY | {"data_offsets": [0, 4, 8]}}, "impossible data_offsets"),
        ({"a": ENTRY | {"data_offsets": [0, 16], "shape": [4]}}, "truncated"),
        ({"a": ENTRY | {"data_offsets": [0, 4], "shape": [1]}}, "truncated, or not one file"),
        ({"a": ENTRY | {"data_offsets": [4, 8], "shape": [1]}}, "starts at byte 4"),
        ({"a": ENTRY, "b": ENTRY | {"data_offsets": [4, 8], "shape": [1]}}, "byte 4, what is before it ends at 8"),
        ({"__metadata__": {"a": 1}, "a": ENTRY}, "not a map of strings"),
    ],
)
def test_a_lying_header_is_refused_with_the_reason(path: Path, header: object, reason: str) -> None:
    _file(path, header)
    with pytest.raises(ElfError, match=reason):
        open_model(path)
    assert _is_refused_by_the_reference(path)


def test_a_name_that_comes_twice_is_refused_though_the_reference_takes_the_last(path: Path) -> None:
    entry = json.dumps(ENTRY).encode()
    _file(path, b'{"a": %s, "a": %s}' % (entry, entry))
    with pytest.raises(ElfError, match="key 'a' twice"):
        open_model(path)


def test_a_gigantic_header_is_refused_before_it_is_read(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", MAX_HEADER + 1) + b"{}")
    with pytest.raises(ElfError, match=f"more than the {MAX_HEADER}"):
        open_model(path)
    path.write_bytes(struct.pack("<Q", 1 << 40))
    with pytest.raises(ElfError, match="more than"):
        open_model(path)


def test_a_header_that_would_swell_is_refused_before_it_is_parsed(path: Path) -> None:
    for swelling in (b"[]," * 2_000_000, b'"",' * 3_000_000):
        _file(path, b'{"a": [' + swelling + b"0]}")
        with pytest.raises(ElfError, match="the signs of more than"):
            open_model(path)


def test_a_truncated_header_is_refused_not_guessed(path: Path) -> None:
    _file(path, {"a": ENTRY})
    whole = path.read_bytes()
    for size in range(1, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ElfError, match=r"truncated|no header length"):
            open_model(path)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float16", "int64", "bool", "uint16"])
def test_every_dtype_of_the_reference_reads_back(path: Path, dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(getattr(ml_dtypes, dtype, dtype))
    names = {"bfloat16": "bf16", "float8_e4m3fn": "f8_e4m3", "float8_e5m2": "f8_e5m2", "bool": "bool"}
    safetensors.numpy.save_file({"x": array, "none": array[:0], "one": np.array(array[0, 0])}, path)
    with open_model(path) as model:
        by_name = {tensor.name: tensor for tensor in model.tensors}
        assert by_name["x"].dtype == names.get(dtype, array.dtype.kind + str(8 * array.itemsize))
        assert model.bytes(by_name["x"]).tobytes() == array.tobytes()
        assert (by_name["none"].shape, by_name["none"].nbytes) == ((0, 4), 0)
        assert (by_name["one"].shape, by_name["one"].nbytes) == ((), array.itemsize)


def test_four_bit_floats_share_bytes(path: Path) -> None:
    _file(path, {"a": {"dtype": "F4", "shape": [4, 4], "data_offsets": [0, 8]}})
    with open_model(path) as model:
        assert (model.tensors[0].dtype, model.tensors[0].nbytes, model.tensors[0].n_params) == ("f4_e2m1", 8, 16)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(["<f4", "<f2", "|i1", "<i8"]), st.lists(st.integers(0, 5), max_size=4)),
        max_size=6,
    )
)
def test_what_the_reference_writes_reads_back(path: Path, shapes: dict[str, tuple[str, list[int]]]) -> None:
    rng = np.random.default_rng(7)
    arrays = {name: rng.integers(0, 99, shape).astype(dtype) for name, (dtype, shape) in shapes.items()}
    safetensors.numpy.save_file(arrays, path)
    with open_model(path) as model:
        read = {tensor.name: (tensor.shape, model.bytes(tensor).tobytes()) for tensor in model.tensors}
    assert read == {name: (array.shape, array.tobytes()) for name, array in arrays.items()}


def test_twenty_gigabytes_open_in_little_memory(path: Path) -> None:
    size = 20 << 30
    half = size // 2
    header = {
        name: {"dtype": "BF16", "shape": [half // 2], "data_offsets": [start, start + half]}
        for name, start in (("first", 0), ("last", half))
    }
    _file(path, header, b"")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + size)  # sparse: no bytes on the disk
    code = (
        "import sys; from pathlib import Path; from elf.formats import open_model\n"
        "from analysis.units import peak_bytes\n"
        "model = open_model(Path(sys.argv[1])); tensor = model.tensors[-1]\n"
        "view = model.bytes(tensor); assert view.size == tensor.nbytes and not view[-1]; model.release()\n"
        "print(peak_bytes())"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 500_000_000
