"""YAML as plain values that remember their lines."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from analysis.config.document import MAX_BYTES, Document, read_document

SCALARS = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text("abcno19.:-'\" #é", max_size=9)
KEYS = st.text("abyn1", min_size=1)
DATA = st.recursive(SCALARS, lambda data: st.lists(data, max_size=3) | st.dictionaries(KEYS, data, max_size=3))


def read(folder: Path, text: str) -> Document:
    path = folder / "study.yaml"
    path.write_bytes(text.encode())
    return read_document(path)


def problems(folder: Path, text: str) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.key, problem.reason) for problem in read(folder, text).problems]


def test_every_value_remembers_its_line_and_spelling(tmp_path: Path) -> None:
    document = read(tmp_path, "a: 1\nb:\n  - x\n  - c: 2.50\n")
    assert document.data == {"a": 1, "b": ["x", {"c": 2.5}]}
    assert [document.line(at) for at in (("a",), ("b",), ("b", 0), ("b", 1, "c"))] == [1, 2, 3, 4]
    assert document.line(("b", 1, "missing")) == 4
    assert document.spelling["b", 1, "c"] == "2.50"


@pytest.mark.parametrize("word", ["no", "No", "yes", "on", "off", "YES"])
def test_a_word_that_some_readers_take_for_a_truth_value_must_be_quoted(tmp_path: Path, word: str) -> None:
    [(line, key, reason)] = problems(tmp_path, f"a: 1\nb: {word}\n")
    assert (line, key) == (2, "b")
    assert reason.endswith(f"write true, false or '{word}'")
    assert read(tmp_path, f"b: '{word}'").data == {"b": word}


@pytest.mark.parametrize("number", ["010", "0x10", "1_000", "1:30", "+5", "0b11", "1:30.5", ".inf", ".nan", "9" * 30])
def test_a_number_that_readers_do_not_agree_on_must_be_quoted(tmp_path: Path, number: str) -> None:
    [(_, key, reason)] = problems(tmp_path, f"b: {number}")
    assert key == "b"
    assert f"'{number}'" in reason


def test_a_date_must_be_quoted(tmp_path: Path) -> None:
    assert problems(tmp_path, "b: 2024-01-02")[0][2].endswith("write it in quotes: '2024-01-02'")


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 0.001), ("1.5e3", 1500.0), (".5", 0.5), ("-7", -7), ("0", 0), ("~", None)]
)
def test_what_both_versions_of_yaml_read_alike_is_read(tmp_path: Path, text: str, value: object) -> None:
    document = read(tmp_path, f"a: {text}")
    assert document.data == {"a": value}
    assert not document.problems


@given(DATA)
def test_plain_data_comes_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, data: object) -> None:
    document = read(tmp_path_factory.mktemp("yaml"), yaml.safe_dump({"data": data}, allow_unicode=True))
    assert not document.problems
    assert document.data == {"data": data}


def test_a_key_given_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    assert problems(tmp_path, "a: 1\nb: 2\na: 3\n") == [(3, "a", "is given twice, first in line 1; keep one")]


@pytest.mark.parametrize("key", ["on", "1", "2024-01-01", "[x, y]", "~"])
def test_a_key_that_is_not_text_is_refused(tmp_path: Path, key: str) -> None:
    [(line, _, reason)] = problems(tmp_path, f"a: 1\n? {key}\n: 2\n")
    assert line == 2
    assert "key" in reason


def test_aliases_are_refused_so_that_nothing_can_grow_without_bound(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [*{before}, *{before}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    found = problems(tmp_path, bomb)
    assert len(found) == 16
    assert found[0] == (2, "", "`*a`: anchors and aliases are not read; write the value out")


@pytest.mark.parametrize("tagged", ["!!python/object/apply:os.system ['true']", "!x 1", "!!binary aGk=", "!!set {a}"])
def test_tags_are_refused_and_nothing_runs(tmp_path: Path, tagged: str) -> None:
    assert "tags are not read" in problems(tmp_path, f"a: {tagged}")[0][2]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", 2),
        ("a: b: c\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 'x\n", 2),
        ("\ta: 1", 1),
        ("a: *nowhere", 1),
    ],
)
def test_what_is_not_yaml_is_one_line_with_a_place(tmp_path: Path, text: str, line: int) -> None:
    [(found, _, reason)] = problems(tmp_path, text)
    assert found == line
    assert "\n" not in reason


def test_nesting_is_bounded(tmp_path: Path) -> None:
    assert "nested deeper than 32 levels" in problems(tmp_path, "[" * 100_000)[0][2]


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    assert "is larger than 1 MiB" in problems(tmp_path, "#" * (MAX_BYTES + 1))[0][2]


def test_what_cannot_be_read_as_text_says_where(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    assert [(problem.line, problem.reason) for problem in read_document(path).problems] == [(2, "is not UTF-8 text")]
    path.write_bytes(b"a: 1\nb: \x07\n")
    assert [(problem.line, problem.reason[:11]) for problem in read_document(path).problems] == [(2, "has a chara")]


def test_a_missing_file_a_folder_and_an_empty_file_are_one_line_each(tmp_path: Path) -> None:
    assert [str(problem) for problem in read_document(tmp_path / "x.yaml").problems] == [
        f"{tmp_path}/x.yaml: no such file"
    ]
    assert [problem.reason for problem in read_document(tmp_path).problems] == ["is not a file"]
    assert [reason[:8] for _, _, reason in problems(tmp_path, "# nothing\n")] == ["is empty"]
