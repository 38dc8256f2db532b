"""Figures, notebooks, claims and the report stand on the tables alone and come out the same every time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jupytext
import nbformat
import pandas as pd
import pytest
from commands import PROJECT

from analysis import notebooks
from analysis.claims import CLAIMS, MEASURED, claims
from analysis.compare import compare
from analysis.figures import FIGURES, draw, rendered, write_figures
from analysis.places import Places
from analysis.report import write_report
from analysis.results import Results, load, read
from analysis.shown import shown
from analysis.tables import TABLES, write_table
from analysis.text import NOTHING
from elf.errors import ElfError


@pytest.fixture(scope="module")
def tiny() -> Results:
    return read("tiny", PROJECT / "results" / "tiny")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_shows_data_and_is_the_same_twice(name: str, tiny: Results) -> None:
    first, second = draw(name, tiny), draw(name, tiny)
    assert len(first.data) > 0
    assert first.caption.endswith(".")
    assert rendered(first.figure, "svg") == rendered(second.figure, "svg")


def test_every_figure_is_written_with_its_data_once(tiny: Results, tmp_path: Path) -> None:
    assert write_figures(tiny, tmp_path)
    assert {path.name for path in tmp_path.glob("[a-z]*")} == {
        f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png", "csv")
    }
    assert not write_figures(tiny, tmp_path), "nothing changed, nothing to draw"


def test_a_lost_figure_is_drawn_again(tiny: Results, tmp_path: Path) -> None:
    write_figures(tiny, tmp_path)
    (tmp_path / "layer_sizes.svg").unlink()
    assert write_figures(tiny, tmp_path)
    assert (tmp_path / "layer_sizes.svg").exists()


def test_the_report_is_one_page_with_every_figure(tiny: Results, tmp_path: Path) -> None:
    write_figures(tiny, tmp_path / "figures")
    page = write_report(tiny, tmp_path).read_text(encoding="utf-8")
    assert all(f'<figure id="{name}"><svg' in page for name in FIGURES)
    assert "src=" not in page
    assert page.count("<svg") == len(FIGURES)


def test_every_claim_says_where_it_is_from_and_what_measures_it_exists(tiny: Results) -> None:
    found = claims(tiny)
    assert set(found["source"]) <= {"abstract", "dissertation record"}
    assert (found["ours"] != "").all()
    measures = {line.split(",")[-2] for line in CLAIMS.read_text().splitlines()[1:]}
    assert measures - {""} == set(MEASURED)


def test_notebooks_are_named_by_claims_only_when_they_exist(tiny: Results) -> None:
    assert all((PROJECT / where).exists() for where in claims(tiny)["where"] if where)


@pytest.mark.parametrize("source", notebooks.sources(), ids=lambda path: path.stem)
def test_a_notebook_and_its_py_file_are_the_same(source: Path) -> None:
    pair = nbformat.read(source.with_suffix(".ipynb"), 4)
    cells = jupytext.read(source).cells
    assert [(cell.cell_type, cell.source) for cell in pair.cells] == [(cell.cell_type, cell.source) for cell in cells]


@pytest.mark.parametrize("source", notebooks.sources(), ids=lambda path: path.stem)
def test_a_committed_notebook_is_executed_without_errors_or_warnings(source: Path) -> None:
    pair = nbformat.read(source.with_suffix(".ipynb"), 4)
    outputs = [output for cell in pair.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
    assert str(PROJECT) not in json.dumps(pair)


def test_any_study_is_one_line_away(tmp_path: Path) -> None:
    where = Places(tmp_path, PROJECT / "results")
    source = next(path for path in notebooks.sources() if path.stem == "00_overview")
    done = notebooks.execute(source, "tiny", where)
    text = json.dumps(done)
    assert 'STUDY = \\"tiny\\"' in text
    assert "6 models" in text


def test_a_study_without_results_says_what_to_run() -> None:
    with pytest.raises(
        ElfError, match=r"the study 'authors' has no tables yet; run it: python -m analysis run authors$"
    ):
        load("authors")
    with pytest.raises(
        ElfError, match=r"none: no study of this name has tables; run its YAML file, or one of configs/"
    ):
        load("none")


def test_results_are_shown_in_one_line(tiny: Results) -> None:
    assert repr(tiny).startswith("Results('tiny': 6 models, 28 files, 37.2 MB; tables: models, layers")


@pytest.fixture
def nothing(tmp_path: Path) -> Results:
    """The tables of a study of which no model could be pulled."""
    for table in TABLES.values():
        write_table(tmp_path, table, pd.DataFrame(columns=[column.name for column in table.columns]))
    return read("nothing", tmp_path)


def test_a_study_without_models_has_figures_a_report_and_claims_that_say_so(nothing: Results, tmp_path: Path) -> None:
    write_figures(nothing, tmp_path / "figures")
    page = write_report(nothing, tmp_path).read_text(encoding="utf-8")
    assert page.count("<svg") == len(FIGURES)
    assert set(claims(nothing)["ours"]) == {NOTHING}
    assert nothing.coverage == "0 models, 0 files, 0.0 MB"


def test_a_study_without_models_can_be_compared(nothing: Results, tiny: Results) -> None:
    assert len(compare(nothing, nothing).stores) == 0
    assert "only in tiny" in str(compare(nothing, tiny))


def test_a_figure_without_data_says_so(tiny: Results) -> None:
    once = replace(tiny, tables={**tiny.tables, "duplicates": tiny.duplicates[tiny.duplicates["references"] == 1]})
    assert draw("reference_counts", once).figure.texts[0].get_text() == "this study has nothing of this kind"


def test_derived_models_are_said_to_be_left_out_of_a_comparison(tiny: Results) -> None:
    derived = replace(tiny, tables={**tiny.tables, "models": tiny.models.assign(derived=[True] + [False] * 5)})
    assert " + 1 derived not counted; tiny: " in str(compare(derived, tiny))


def test_a_table_of_a_notebook_is_the_same_twice(tiny: Results) -> None:
    first, second = (shown(tiny.savings(), "savings") for _ in range(2))
    assert first._repr_html_() == second._repr_html_()
    assert repr(first) == repr(second)


def test_savings_and_ranges_agree_with_the_stores(tiny: Results) -> None:
    whole = tiny.dedup().set_index(["granularity", "method"])["saving"]
    savings = tiny.savings().set_index(["granularity", "method"])["with metadata"]
    assert savings.sort_index().equals(whole.sort_index().rename("with metadata"))
    ranges = tiny.family_ranges()
    assert set(ranges["granularity"]) == {"file", "layer", "chunk"}
    assert (ranges["least"] <= ranges["most"]).all()


def test_leaving_out_a_family_is_what_a_study_without_it_saves(tiny: Results) -> None:
    rows = tiny.without_families()
    left = tiny.bytes - tiny.originals.groupby("family")["bytes"].sum()
    assert (rows["bytes_in"] == rows["name"].map(left)).all()
