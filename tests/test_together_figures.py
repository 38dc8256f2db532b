"""Figures and views of parameters and composition: nothing measured is said, and ratios are those of the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.figures import composition as composition_figures
from analysis.figures import draw, rendered
from analysis.figures import parameters as parameters_figures
from analysis.results import Results
from analysis.tables import TABLES, frame, tidy
from analysis.views import composition, parameters

MODELS = frame(
    TABLES["models"],
    [
        {"family": "f", "model": name, "source": "test", "revision": "", "task": "", "derived": derived, "n_files": 1,
         "bytes": 1000, "bytes_tensors": 900, "n_layers": 1, "n_params": 225}
        for name, derived in (("one", False), ("two", False), ("made", True))
    ],
)  # fmt: skip


def results(**tables: pd.DataFrame) -> Results:
    """A study of two models, and one made here, with these tables; all others are empty."""
    empty = {name: frame(table, []) for name, table in TABLES.items()}
    return Results("test", Path(), empty | {"models": MODELS} | tables)


@pytest.mark.parametrize("name", [*parameters_figures.FIGURES, *composition_figures.FIGURES])
def test_a_study_without_the_measure_has_a_figure_that_says_so(name: str) -> None:
    drawn = draw(name, results())
    assert len(drawn.data) == 0
    assert rendered(drawn.figure, "png")


def store(order: str, coded: str, granularity: str, method: str, codec: str, **more: object) -> dict[str, object]:
    sizes = {"scope": "study", "name": "test", "n_units": 2, "n_unique": 2, "bytes_in": 2000, "bytes_payload": 1000,
             "bytes_recipe": 0, "bytes_index": 0, "method_version": 1}  # fmt: skip
    where = {"order": order, "coded": coded, "granularity": granularity, "method": method, "codec": codec}
    return where | sizes | more


def stores(*rows: dict[str, object]) -> Results:
    return results(composition=frame(TABLES["composition"], list(rows)))


def test_what_is_left_of_deduplication_is_told_from_the_same_bytes_in_the_same_order() -> None:
    study = stores(
        store("dedup", "", "chunk", "xet @ file", "stored", bytes_payload=1800),
        store("compress-dedup", "layer", "chunk", "xet @ file", "stored", bytes_payload=1600),
        store("compress", "file", "", "whole", "zstd-3", bytes_payload=1000),
        store("compress", "layer", "", "untyped", "zstd-3", bytes_payload=1000),
        store("compress-dedup", "file", "chunk", "xet @ file", "zstd-3", bytes_payload=1000),
        store("compress-dedup", "layer", "chunk", "xet @ file", "zstd-3", bytes_payload=800),
    )
    left = composition.survival(study).set_index("coded")
    assert left["before"].round(9).to_dict() == {"file": 0.1, "layer": 0.2}
    assert left["share_left"].round(9).to_dict() == {"file": 0, "layer": 1}


def test_the_matrix_takes_the_best_of_several_rules() -> None:
    study = stores(
        store("dedup-compress", "chunk", "chunk", "xet @ file", "elves", bytes_payload=1000),
        store("dedup-compress", "chunk", "chunk", "fastcdc-65536 @ file", "elves", bytes_payload=800),
        store("compress", "file", "", "whole", "zstd-3", bytes_index=600),
    )
    matrix = composition.matrix(study)
    assert matrix.loc["chunks @ file once, then coded", "elves"] == 2.5
    assert matrix.loc["whole files coded", "zstd-3"] == 1.25
    assert np.isnan(matrix.loc["whole files coded", "elves"])


def test_versions_are_compared_with_a_store_for_each_model() -> None:
    way = ("dedup", "", "layer", "untyped", "stored")
    study = stores(
        *(store(*way, scope="model", name=name, bytes_payload=1000) for name in ("one", "two", "made")),
        store(*way, scope="family", name="f", bytes_payload=1500),
        store(*way, bytes_payload=1500),
    )
    found = composition.versions(study)
    assert found["family"].tolist() == ["f", composition.WHOLE]
    assert found["alone"].tolist() == [2000, 2000], "what was made here counts in no total"
    assert found["saving"].tolist() == [0.25, 0.25]


def repeats(**counts: int) -> Results:
    rows = [
        {"family": "f", "model": model, "dtype": "f32", "log2_distance": int(place), "n": n, "method_version": 1}
        for model in ("one", "made")
        for place, n in ((name.removeprefix("d").replace("m", "-"), n) for name, n in counts.items())
    ]
    return results(repeats=frame(TABLES["repeats"], rows))


def test_distance_encoding_is_told_from_the_distances() -> None:
    [row] = parameters.distance_encoding(repeats(dm1=10, d0=3, d4=2), ["dtype"]).to_dict("records")
    bits = 10 * 33 + 3 * (6 + 1) + 2 * (6 + 5)
    assert (row["bytes_in"], row["bytes_out"]) == (60, -(-bits // 8))
    assert row["ratio"] == 15 * 32 / bits
    assert row["repeats"] == pytest.approx(1 / 3)


def test_the_entropy_of_exponents_is_that_of_their_shares() -> None:
    rows = [
        {"family": "f", "model": model, "role": "weight", "dtype": "f16", "exponent": exponent, "n": n, "n_negative": 0,
         "method_version": 1}
        for model in ("one", "made")
        for exponent, n in ((-3, 2), (-2, 1), (-1, 1))
    ]  # fmt: skip
    study = results(exponents=tidy(TABLES["exponents"], pd.DataFrame(rows)))
    [row] = parameters.entropies(study, ["dtype"]).to_dict("records")
    assert (row["n_params"], row["n_exponents"], row["entropy_bits"], row["field_bits"]) == (4, 3, 1.5, 5)
    assert len(draw("exponent_histogram", study).data) == 3
