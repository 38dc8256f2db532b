"""Patterns of files."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.sources.patterns import matches


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.bin", ["a.bin", "x/y/a.bin", ".bin"], ["a.bin/x", "a.bin2", "a.BIN"]),
        ("x/*.bin", ["x/a.bin"], ["x/y/a.bin", "a.bin", "z/x/a.bin"]),
        ("x/**/*.bin", ["x/a.bin", "x/y/a.bin", "x/y/z/a.bin"], ["a.bin", "y/x/a.bin"]),
        ("x/**", ["x/a", "x/y/a"], ["x", "z/x/a"]),
        ("**/a.bin", ["a.bin", "x/a.bin", "x/y/a.bin"], ["x/ba.bin"]),
        ("v?_[0-9].pt", ["v3_1.pt"], ["v3_x.pt", "v33_1.pt", "v/_1.pt"]),
        ("x/[!a]*", ["x/b"], ["x/a", "x//"]),
        ("a+(b).bin", ["a+(b).bin"], ["aab.bin"]),
        ("[", ["["], ["x"]),
        ("[!]", ["[!]"], ["a"]),
        ("a[]^]b", ["a^b", "a]b"], ["acb"]),
        ("[z-a]*", [], ["z", "a", "m"]),
        ("meta-llama/*", ["meta-llama/Llama-3"], ["meta-llama-2/x", "x/meta-llama/y"]),
    ],
)
def test_a_pattern_means_what_it_says(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in yes + no if matches(name, [pattern])] == yes


@given(st.text("ab.*?[]!-^\\&|~", max_size=8), st.text("ab.*-^\\&|~[]!", min_size=1, max_size=6))
def test_inside_one_folder_patterns_agree_with_the_shell_ones(pattern: str, name: str) -> None:
    if "**" not in pattern and "-" not in pattern:
        assert matches(name, [pattern]) == fnmatch.fnmatchcase(name, pattern)


def test_any_of_several_patterns_is_enough() -> None:
    assert matches("a.pt", ["*.bin", "*.pt"])
    assert not matches("a.pt", [])
