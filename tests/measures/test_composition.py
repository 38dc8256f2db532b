"""Every codec gives every unit back, and the units of a file are all of its bytes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import WRITERS, written
from pydantic import ValidationError
from safetensors.numpy import save_file

from analysis.composition.coders import CODERS, Coder, OfBytes
from analysis.composition.composing import SCHEMAS, compose
from analysis.contents.chunking import XET, fastcdc
from analysis.measures import MEASURES
from analysis.measures.composition import CompositionParams
from elf.errors import ElfError
from elf.formats import open_model
from elf.tensor import DTYPES

RNG = np.random.default_rng(20261126)
RULES = [fastcdc(1024), XET]
NAMES = [name for name, kind in DTYPES.items() if kind.numpy is not None]
Rows = dict[str, list[dict[str, Any]]]


def composed(path: Path, codec: str) -> Rows:
    found: Rows = defaultdict(list)

    def emit(name: str, table: Any) -> None:
        assert table.schema == SCHEMAS[name]
        found[name].extend(table.to_pylist())

    with open_model(path) as model:
        compose(model, codec, RULES, emit)
    return found


def nothing() -> None:
    pass


@pytest.mark.parametrize("codec", CODERS)
@given(st.binary(max_size=400), st.sampled_from([*NAMES, "q4_0", "i4"]), st.integers(0, 7))
@settings(max_examples=60)
def test_a_chunk_comes_back(codec: str, data: bytes, dtype: str, head: int) -> None:
    coder, array = CODERS[codec], np.frombuffer(data, np.uint8)
    coded = coder.chunk(array, dtype, head)
    assert coder.chunk_back(coded, dtype, head, array.size) == data


@pytest.mark.parametrize("codec", CODERS)
@pytest.mark.parametrize("dtype", NAMES)
def test_a_layer_comes_back_whatever_its_bits_are(codec: str, dtype: str) -> None:
    data = RNG.integers(0, 256, 16 * 300, np.uint8)
    data[:64] = 0xFF
    if dtype == "bool":
        data &= 1
    coder = CODERS[codec]
    coded = b"".join(coder.layer(data, dtype, nothing))
    assert b"".join(map(bytes, coder.layer_back(memoryview(coded)))) == data.tobytes()


@pytest.mark.parametrize("codec", CODERS)
def test_the_rest_of_a_file_comes_back_from_any_blocks(codec: str) -> None:
    blocks = [RNG.integers(0, 4, size, np.uint8) for size in (1, 70_000, 1 << 20, 13)]
    coder = CODERS[codec]
    coded = b"".join(coder.rest(blocks))
    assert b"".join(map(bytes, coder.rest_back(memoryview(coded)))) == np.concatenate(blocks).tobytes()


def test_bytes_are_grouped_by_four_where_that_is_smaller() -> None:
    grouped = np.arange(4096, dtype="<u4").view(np.uint8)
    [coded] = CODERS["lz4-bg4"].rest([grouped])
    assert coded[0] == 2
    [coded] = CODERS["lz4-bg4"].rest([RNG.integers(0, 256, 4096, np.uint8)])
    assert (coded[0], len(coded)) == (0, 5 + 4096)


@pytest.mark.parametrize("codec", CODERS)
@pytest.mark.parametrize("kind", WRITERS)
def test_units_of_every_granularity_are_all_bytes_of_the_file(codec: str, kind: str, tmp_path: Path) -> None:
    path = written(kind, tmp_path)
    with open_model(path) as model:
        size = sum(model.part(part).size for part in range(len(model.parts)))
    units = composed(path, codec)["units"]
    sums: dict[str, int] = defaultdict(int)
    for row in units:
        assert row["coded"] <= row["bytes"]
        sums[row["method"]] += row["bytes"] * row["count"]
    chunks = {f"chunk: {rule.name} @ {anchor}" for rule in RULES for anchor in ("file", "tensor")}
    whole = {"file: whole"} if isinstance(CODERS[codec], OfBytes) or codec == "elves" else set()
    assert sums == dict.fromkeys({*chunks, *whole, "layer: untyped"}, size)


def test_stored_units_are_as_long_as_they_are_and_their_stream_is_the_file(tmp_path: Path) -> None:
    path = written("model.safetensors", tmp_path)
    found = composed(path, "stored")
    assert all(row["coded"] == row["bytes"] for row in found["units"])
    stream = {row["hash_lo"] for row in found["streams"] if row["unit"] == "file" and row["method"] == "xet @ file"}
    chunks = {row["hash_lo"] for row in found["units"] if row["method"] == "chunk: xet @ file"}
    assert stream == chunks


@pytest.mark.parametrize("codec", CODERS)
def test_layers_name_their_content_and_their_chunks(codec: str, tmp_path: Path) -> None:
    arrays = {"a": RNG.standard_normal((64, 64)).astype(np.float32), "b": RNG.integers(0, 9, 5000).astype(np.int8)}
    save_file(arrays, tmp_path / "m.safetensors")
    found = composed(tmp_path / "m.safetensors", codec)
    layers = {row["name"]: row for row in found["layers"]}
    assert set(layers) == {"a", "b", ""}
    for name, array in arrays.items():
        assert layers[name]["content"] == xxhash.xxh3_128_hexdigest(array.tobytes())
        pieces = [row for row in found["pieces"] if row["number"] == layers[name]["number"]]
        assert sum(row["bytes"] for row in pieces) == array.nbytes
    assert layers[""]["content"] == ""


def test_a_layer_in_another_order_of_axes_is_known_by_its_values(tmp_path: Path) -> None:
    array = np.asfortranarray(RNG.standard_normal((40, 50)).astype(np.float32))
    np.save(tmp_path / "m.npy", array)
    [layer] = [row for row in composed(tmp_path / "m.npy", "stored")["layers"] if row["number"] == 0]
    assert layer["content"] == xxhash.xxh3_128_hexdigest(array.tobytes())
    assert layer["content"] != f"{layer['hash_hi']:016x}{layer['hash_lo']:016x}"


@pytest.mark.parametrize("codec", CODERS)
def test_a_file_of_an_unknown_format_is_bytes(codec: str, tmp_path: Path) -> None:
    (tmp_path / "some.bin").write_bytes(b"\x93nothing we know" * 300)
    layers = composed(tmp_path / "some.bin", codec)["layers"]
    assert [(row["number"], row["bytes"]) for row in layers] == [(-1, 4800)]


def test_a_codec_that_does_not_give_the_bytes_back_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written("model.safetensors", tmp_path)
    coder: Coder = CODERS["zstd-3"]
    monkeypatch.setattr(type(coder), "decode", lambda _, coded: iter([bytes(len(coded))]))
    with pytest.raises(ElfError, match=r"zstd-3: the file is not the same after decoding"):
        composed(path, "zstd-3")


def test_each_codec_is_a_part_with_a_shard_of_its_own() -> None:
    measure = MEASURES["composition"]
    parts = measure.parts(CompositionParams())
    assert list(parts) == list(CODERS) == [codec for part in parts.values() for codec in part.codecs]
    assert all(measure.facts(part) for part in parts.values())


@pytest.mark.parametrize("wrong", [{"codecs": ["zstd-4"]}, {"codecs": []}, {"codecs": ["split", "split"]}, {"xett": 1}])
def test_a_wrong_parameter_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CompositionParams.model_validate(wrong)


def test_an_unknown_codec_is_told_which_there_are() -> None:
    with pytest.raises(ValidationError, match="'stored', 'zstd-3', 'lz4-bg4', 'split' or 'elves'"):
        CompositionParams.model_validate({"codecs": ["zstd-4"]})


def test_the_pass_is_the_same_twice(tmp_path: Path) -> None:
    path = written("model.safetensors", tmp_path)
    assert composed(path, "elves") == composed(path, "elves")
