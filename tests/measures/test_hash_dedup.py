from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from pydantic import ValidationError
from safetensors.numpy import save_file

from analysis.contents.elements import STATISTICS, VALUES
from analysis.contents.fingerprints import FILES, LAYERS, fingerprint
from analysis.contents.tally import CHUNKS
from analysis.measures import MEASURES
from analysis.measures.hash_dedup import HashDedupParams
from elf.formats import open_model
from elf.formats.base import ModelFile, map_file
from elf.formats.found import Found

SCHEMAS = {"files": FILES, "layers": LAYERS, "chunks": CHUNKS}
SMALL = HashDedupParams(fixed=[256, 1000], fastcdc=[256, 1024], xet=True)


def tensors(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.05, (40, 50)).astype(np.float32)
    return {
        "a.weight": shared,
        "b.weight": shared.copy(),
        "c.bias": rng.normal(0, 1, 33).astype(np.float16),
        "d.ids": np.arange(-3, 40, dtype=np.int64),
        "e.scalar": np.array(1.5, np.float64),
        "f.empty": np.empty((0, 4), np.float32),
    }


def write(path: Path, content: dict[str, np.ndarray]) -> Path:
    save_file(content, path)
    return path


def measured(path: Path, params: HashDedupParams = SMALL, block: int = 1 << 24) -> dict[str, pa.Table]:
    with open_model(path) as model:
        return fingerprinted(model, params, block)


def fingerprinted(model: ModelFile, params: HashDedupParams = SMALL, block: int = 1 << 24) -> dict[str, pa.Table]:
    pieces: dict[str, list[pa.Table]] = defaultdict(list)
    fingerprint(model, params.rules(), lambda name, table: pieces[name].append(table), block)
    for name, tables in pieces.items():
        assert all(table.schema == SCHEMAS.get(name, VALUES) for table in tables)
    return {name: pa.concat_tables(tables) for name, tables in pieces.items()}


def digest(row: dict[str, int]) -> int:
    return row["hash_hi"] << 64 | row["hash_lo"]


def rows(tables: dict[str, pa.Table]) -> dict[str, list[dict[str, object]]]:
    return {name: table.to_pylist() for name, table in tables.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "model.safetensors", tensors())


def test_the_file_has_its_size_and_hash(file: Path) -> None:
    (row,) = measured(file)["files"].to_pylist()
    assert (row["part"], row["bytes"]) == (0, file.stat().st_size)
    assert digest(row) == xxhash.xxh3_128_intdigest(file.read_bytes())


def test_every_layer_has_its_place_its_hash_and_its_counts(file: Path) -> None:
    content, data = tensors(), file.read_bytes()
    layers = measured(file)["layers"].to_pylist()
    assert [row["index"] for row in layers] == list(range(len(content)))
    assert {row["name"] for row in layers} == set(content)
    for row in layers:
        values = content[row["name"]]
        assert (row["shape"], row["n_params"], row["bytes"]) == (list(values.shape), values.size, values.nbytes)
        assert data[row["offset"] : row["offset"] + row["bytes"]] == values.tobytes()
        assert digest(row) == xxhash.xxh3_128_intdigest(values.tobytes())
        assert row["n_distinct"] == len(np.unique(values))
        assert row["n_zero"] == np.count_nonzero(values == 0)
        assert (row["n_nonfinite"] is None) == (values.dtype.kind == "i")


def test_under_each_rule_and_anchor_every_byte_is_in_exactly_one_chunk(file: Path) -> None:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for row in measured(file)["chunks"].to_pylist():
        sums[row["method"], row["anchor"]] += row["length"] * row["count"]
    methods = ["fixed-256", "fixed-1000", "fastcdc-256", "fastcdc-1024", "xet"]
    assert sums == {(method, anchor): file.stat().st_size for method in methods for anchor in ("file", "tensor")}


def test_fixed_chunks_at_the_file_are_those_of_slicing(file: Path) -> None:
    data = file.read_bytes()
    expected: dict[int, int] = defaultdict(int)
    for start in range(0, len(data), 256):
        expected[xxhash.xxh3_128_intdigest(data[start : start + 256])] += 1
    chunks = measured(file)["chunks"].to_pylist()
    found = {digest(row): row["count"] for row in chunks if (row["method"], row["anchor"]) == ("fixed-256", "file")}
    assert found == expected


def test_equal_tensors_are_found_twice_at_the_tensor_anchor_in_one_file(file: Path) -> None:
    chunks = measured(file)["chunks"].to_pylist()
    twice = [row for row in chunks if (row["method"], row["anchor"]) == ("fixed-256", "tensor") and row["count"] == 2]
    assert sum(row["length"] for row in twice) == 40 * 50 * 4


def test_equal_tensors_in_two_files_have_the_same_chunks_at_the_tensor_anchor(tmp_path: Path, file: Path) -> None:
    other = write(tmp_path / "other.safetensors", {"0.pad": np.arange(77, dtype=np.uint8), **tensors()})
    one, two = (
        {digest(row) for row in measured(path)["chunks"].to_pylist() if row["anchor"] == "tensor"}
        for path in (file, other)
    )
    header_chunks = 8  # the two files differ in their headers alone
    assert len(one - two) <= header_chunks


def test_values_are_the_distinct_patterns_of_each_dtype(file: Path) -> None:
    found = {
        name.removeprefix("values-"): table["value"].to_pylist()
        for name, table in measured(file).items()
        if "value" in table.column_names
    }
    content = tensors()
    assert found["f32"] == np.unique(content["a.weight"].view(np.uint32)).tolist()
    assert found["f16"] == np.unique(content["c.bias"].view(np.uint16)).tolist()
    assert found["i64"] == np.unique(content["d.ids"].view(np.uint64)).tolist()
    assert found["f64"] == [int(np.float64(1.5).view(np.uint64))]


@pytest.mark.parametrize("block", [97, 1_000, 4_096])
def test_blocks_of_any_size_give_the_same_rows(file: Path, block: int) -> None:
    assert rows(measured(file, block=block)) == rows(measured(file))


def test_what_is_found_depends_on_the_content_alone(tmp_path: Path, file: Path) -> None:
    copy = tmp_path / "elsewhere" / "renamed.safetensors"
    copy.parent.mkdir()
    copy.write_bytes(file.read_bytes())
    assert rows(measured(copy)) == rows(measured(file))


def test_a_file_of_no_known_format_is_measured_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"not a model " * 1_000)
    tables = measured(path)
    assert tables["files"].to_pylist()[0]["bytes"] == 12_000
    assert tables["layers"].num_rows == 0
    assert set(tables) == {"files", "layers", "chunks"}
    file_anchor, tensor_anchor = (
        [row | {"anchor": ""} for row in tables["chunks"].to_pylist() if row["anchor"] == anchor]
        for anchor in ("file", "tensor")
    )
    assert file_anchor == tensor_anchor


def test_layers_that_must_be_decoded_are_hashed_decoded_and_belong_to_no_tensor_chunk(tmp_path: Path) -> None:
    path = tmp_path / "packed.npz"
    content = {"x": np.zeros((100, 100), np.float32), "y": np.arange(5_000, dtype=np.int16)}
    np.savez_compressed(path, **content)  # type: ignore[arg-type]
    tables = measured(path)
    for row in tables["layers"].to_pylist():
        values = content[row["name"].removesuffix(".npy")]
        assert row["offset"] is None
        assert digest(row) == xxhash.xxh3_128_intdigest(values.tobytes())
        assert row["n_distinct"] == len(np.unique(values))
    sums: dict[str, int] = defaultdict(int)
    for row in tables["chunks"].to_pylist():
        sums[row["anchor"]] += row["length"] * row["count"]
    assert sums["file"] == sums["tensor"] == 5 * path.stat().st_size


def test_an_alias_is_hashed_and_its_parameters_are_left_to_the_tensor_it_shares(tmp_path: Path) -> None:
    values = np.arange(1_000, dtype=np.float32)
    path = tmp_path / "tied.bin"
    path.write_bytes(b"header" + values.tobytes())
    found = [Found(name, "f32", (1_000,), 6, 4_000) for name in ("own", "tied")]
    with ModelFile(path, map_file(path), "by hand", found) as model:
        own, tied = fingerprinted(model)["layers"].to_pylist()
    assert (own["alias_of"], tied["alias_of"], tied["stored"]) == (None, "own", 0)
    assert digest(own) == digest(tied) == xxhash.xxh3_128_intdigest(values.tobytes())
    assert own["n_distinct"] == 1_000
    assert {tied[name] for name in STATISTICS} == {None}


def test_the_registered_measure_runs_with_its_defaults(file: Path) -> None:
    measure = MEASURES["hash_dedup"]
    found: set[str] = set()
    with open_model(file) as model:
        measure.run(model, measure.params(), lambda name, _: found.add(name))
    assert measure.name == "hash_dedup"
    assert found == {*SCHEMAS, "values-f16", "values-f32", "values-f64", "values-i64"}


def test_defaults_are_those_of_the_study() -> None:
    assert HashDedupParams().model_dump() == {
        "fixed": [512, 4096, 65536, 1048576],
        "fastcdc": [4096, 65536],
        "xet": True,
    }


def test_rules_come_in_one_order_however_they_are_given() -> None:
    one, other = HashDedupParams(fixed=[512, 4096]), HashDedupParams(fixed=[4096, 512])
    assert [rule.name for rule in one.rules()] == [rule.name for rule in other.rules()]
    assert [rule.name for rule in HashDedupParams(fixed=[], fastcdc=[], xet=False).rules()] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"fixed": [128]},
        {"fixed": [True]},
        {"fixed": ["4096"]},
        {"fixed": [1 << 27]},
        {"fixed": [512, 512]},
        {"fastcdc": [5000]},
        {"fastcdc": [128]},
        {"fastcdc": [1 << 23]},
        {"xet": "yes"},
        {"fixd": [512]},
    ],
)
def test_a_wrong_parameter_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HashDedupParams.model_validate(wrong)


def test_knowing_the_measures_does_not_load_the_compiler() -> None:
    code = "import sys, analysis.measures; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A sparse file of 700 MB, most of it one tensor, in less than 500 MB of memory."""
    sizes = {"large": 600_000_000, "small": 100_000_000}
    ends = np.cumsum(list(sizes.values())).tolist()
    header = json.dumps(
        {
            name: {"dtype": "F32", "shape": [size // 4], "data_offsets": [end - size, end]}
            for (name, size), end in zip(sizes.items(), ends, strict=True)
        }
    ).encode()
    path = tmp_path / "large.safetensors"
    with path.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + ends[-1])
    code = (
        "import sys, pathlib\n"
        "from analysis.measures import MEASURES\n"
        "from analysis.units import peak_bytes\n"
        "from elf.formats import open_model\n"
        "measure = MEASURES['hash_dedup']\n"
        "with open_model(pathlib.Path(sys.argv[1])) as model:\n"
        "    measure.run(model, measure.params(fixed=[65536], fastcdc=[65536], xet=False), lambda name, table: None)\n"
        "sys.exit(peak_bytes() > 500_000_000)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 0


def test_a_tensor_in_fortran_order_is_a_tensor_to_the_chunks_and_hashed_in_c_order(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(6_000, dtype=np.float32).reshape(60, 100))
    plain, turned = tmp_path / "plain.npy", tmp_path / "turned.npy"
    np.save(plain, np.ascontiguousarray(values.T))
    np.save(turned, values)
    one, two = measured(plain), measured(turned)
    (row,) = two["layers"].to_pylist()
    assert digest(row) == xxhash.xxh3_128_intdigest(values.tobytes("C"))
    assert row["offset"] is None
    of_tensor = [
        {digest(chunk) for chunk in found["chunks"].to_pylist() if chunk["anchor"] == "tensor"} for found in (one, two)
    ]
    headers = 5  # one for each rule
    assert len(of_tensor[0] - of_tensor[1]) <= headers
