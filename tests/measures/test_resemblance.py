"""Similar chunks are found and coded against each other; a store counts every chunk once, with all that it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from measured_files import study
from pydantic import ValidationError

from analysis.aggregate import resemblance
from analysis.contents.chunking import fastcdc
from analysis.measures.chunk_features import ResemblanceParams
from analysis.relatives import resemblance as measured
from analysis.relatives.similar import CHUNK, chunks_of, with_bases
from elf.formats.base import ModelFile, map_file

RNG = np.random.default_rng(20261126)
DATA = np.frombuffer(RNG.bytes(200_000), np.uint8)
EDITED = DATA.copy()
EDITED[::4001] ^= 1
STRANGER = np.frombuffer(RNG.bytes(200_000), np.uint8)
MODELS = {
    "a-1": {"data": {"x": DATA}},
    "a-2": {"edited": {"x": EDITED, "y": np.concatenate([EDITED[3:60_000], EDITED[:30_000]])}},
    "b-1": {"stranger": {"x": STRANGER}},
    "b-derived": {"copy": {"x": DATA}},
}
PARAMS = {"fastcdc": [1024, 8192]}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    index = study(
        tmp_path_factory.mktemp("resemblance"),
        MODELS,
        ["chunk_features", "resemblance"],
        chunk_features=PARAMS,
        resemblance=PARAMS,
    )
    chunks = chunks_of(index)
    deltas = index.group_rows("resemblance", "deltas")
    return {"chunks": chunks, "deltas": deltas, **resemblance.tables(index, {})}


@pytest.mark.parametrize("method", ["n-transform", "odess"])
def test_similar_chunks_save_what_zstd_alone_cannot(tables: dict[str, pd.DataFrame], method: str) -> None:
    rows = tables["resemblance"].query("scope == 'study' and chunking == 'fastcdc-8192'").set_index("method")
    assert rows.loc[method, "n_deltas"] > 10
    assert rows.loc[method, "bytes_payload"] < rows.loc["none", "bytes_payload"] - 100_000


def test_every_store_holds_all_bytes_of_its_files(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["resemblance"]
    sizes = {"a": 0, "b": 0}
    for model, files in MODELS.items():
        if not model.endswith("derived"):
            header = rows[(rows["scope"] == "model") & (rows["name"] == model)]["bytes_in"]
            assert header.nunique() == 1
            assert header.iloc[0] > sum(array.nbytes for file in files.values() for array in file.values())
            sizes[model[0]] += int(header.iloc[0])
    assert set(rows[rows["scope"] == "study"]["bytes_in"]) == {sum(sizes.values())}
    assert set(rows[(rows["scope"] == "family") & (rows["name"] == "a")]["bytes_in"]) == {sizes["a"]}
    assert not rows["name"].str.endswith("derived").any()


def test_recipes_and_index_are_counted(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["resemblance"]
    assert (rows["bytes_recipe"] == 20 * (rows["n_chunks"] + rows["n_deltas"])).all()
    assert (rows["bytes_index"] == 64 * rows["n_unique"]).all()
    assert (rows["bytes_features"] == np.where(rows["method"] == "none", 0, 24 * rows["n_unique"])).all()


def test_every_base_that_a_store_needs_was_measured(tables: dict[str, pd.DataFrame]) -> None:
    for method in ("n-transform", "odess"):
        needed = with_bases(tables["chunks"], method)
        assert len(needed)
        deltas = tables["deltas"].query("method == @method")
        held = {tuple(row) for row in deltas[[*CHUNK, "base_hi", "base_lo"]].to_numpy().tolist()}
        columns = [*CHUNK, "base_hash_hi", "base_hash_lo"]
        assert {tuple(row) for row in needed[columns].to_numpy().tolist()} <= held


def test_a_base_comes_before_its_chunk_and_is_another_one(tables: dict[str, pd.DataFrame]) -> None:
    chunks = tables["chunks"].drop_duplicates(CHUNK).reset_index(drop=True)
    place = {key: i for i, key in enumerate(chunks[CHUNK].itertuples(index=False, name=None))}
    for row in with_bases(tables["chunks"], "odess").itertuples():
        assert place[row.chunking, row.base_hash_hi, row.base_hash_lo] < place[row.chunking, row.hash_hi, row.hash_lo]


def test_chunks_are_those_of_hash_deduplication(tmp_path: Path) -> None:
    index = study(
        tmp_path,
        {"a-1": {"data": {"x": DATA}}},
        ["hash_dedup", "chunk_features"],
        hash_dedup={"fastcdc": [1024]},
        chunk_features={"fastcdc": [1024]},
    )
    ours = chunks_of(index)[["hash_hi", "hash_lo", "length", "count"]]
    theirs = index.rows("hash_dedup", "chunks").query("method == 'fastcdc-1024' and anchor == 'file'")
    columns = list(ours.columns)
    one, two = (sorted(rows[columns].astype("uint64").to_numpy().tolist()) for rows in (ours, theirs))
    assert one == two


@pytest.mark.parametrize("content", [b"", b"x", bytes(5000), b"tiny" * 3])
def test_files_of_any_content_are_described(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found: list[pa.Table] = []
    with ModelFile(path, map_file(path), "bytes", []) as model:
        measured.describe(model, [1024], ["odess", "n-transform"], lambda _, rows: found.append(rows))
        measured.code_similar([model], [1024], ["odess"], lambda *_: None)
    assert sum(row["length"] * row["count"] for row in found[0].to_pylist()) == len(content)
    assert fastcdc(1024).name in {row["chunking"] for row in found[0].to_pylist()} or not content


@pytest.mark.parametrize("wrong", [{"methods": ["finesse"]}, {"fastcdc": []}, {"fastcdc": [1000]}, {"method": []}])
def test_a_wrong_parameter_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ResemblanceParams.model_validate(wrong)
