"""Related files are those whose layers match, each layer once; finding them does not cost the square of the files."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from analysis.relatives import pairing
from analysis.relatives.pairing import PairParams, Slot, changed, match, related

SLOTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["f32", "f16"]), st.integers(1, 2), st.sampled_from("xyz")),
    max_size=8,
).map(lambda rows: [slot(i, *row) for i, row in enumerate(rows)])


def slot(index: int, name: str, dtype: str = "f32", size: int = 1, content: str = "") -> Slot:
    return Slot(index, name, dtype, (size, 10), 40 * size, content or f"{name}{index}")


def file(number: int, layers: Sequence[Slot]) -> tuple[tuple[str, str], Sequence[Slot]]:
    return (f"model{number}", "file"), layers


@given(SLOTS, SLOTS)
def test_every_layer_is_matched_once_and_all_that_can_be_are(a: list[Slot], b: list[Slot]) -> None:
    pairs = match(a, b)
    assert all(x.kind == y.kind for x, y in pairs)
    assert len({x.index for x, _ in pairs}) == len({y.index for _, y in pairs}) == len(pairs)
    kinds_a, kinds_b = [x.kind for x in a], [y.kind for y in b]
    assert len(pairs) == sum(min(kinds_a.count(kind), kinds_b.count(kind)) for kind in set(kinds_a))
    assert [y.index for _, y in pairs] == sorted(y.index for _, y in pairs)


def test_equal_content_goes_before_names_and_names_before_order() -> None:
    a = [slot(0, "p", content="1"), slot(1, "q", content="2"), slot(2, "r", content="3"), slot(3, "s", content="4")]
    b = [slot(0, "z", content="9"), slot(1, "p", content="8"), slot(2, "t", content="2"), slot(3, "u", content="7")]
    found = {y.name: x.name for x, y in match(a, b)}
    assert found == {"t": "q", "p": "p", "z": "r", "u": "s"}
    assert {y.name for _, y in changed(a, b)} == {"z", "p", "u"}


def test_half_of_the_smaller_files_bytes_must_match() -> None:
    small = [slot(0, "a", size=5), slot(1, "b", size=4)]
    half = [slot(0, "x", size=5), slot(1, "y", size=7)]
    less = [slot(0, "x", size=4), slot(1, "y", size=7)]
    assert related([file(0, small), file(1, half)], PairParams()) == [(("model0", "file"), ("model1", "file"))]
    assert related([file(0, small), file(1, less)], PairParams()) == []
    assert related([file(0, small), file(1, less)], PairParams(share=0.4)) != []


def test_files_that_bring_nothing_new_have_no_relatives() -> None:
    layers = [slot(0, "a", content="1"), slot(1, "b", content="2")]
    other = [slot(0, "a", content="3"), slot(1, "b", content="4")]
    pairs = related([file(0, layers), file(1, layers), file(2, other), file(3, other)], PairParams())
    assert pairs == [(("model1", "file"), ("model2", "file"))]


def test_no_file_has_more_relatives_than_asked_for() -> None:
    files = [file(n, [slot(0, "a", content=f"{n}")]) for n in range(8)]
    assert len(related(files, PairParams(partners=2))) == 0 + 1 + 6 * 2


def test_cost_is_linear_in_the_number_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    offer = pairing._offer
    monkeypatch.setattr(pairing, "_offer", lambda *args: compared.append(1) or offer(*args))
    files = [file(n, [slot(0, "a", content=f"{n}"), slot(1, "b", size=2, content=f"b{n}")]) for n in range(100)]
    related(files, PairParams())
    assert len(compared) <= 100 * pairing.WINDOW * 2


def test_files_without_layers_are_no_relatives() -> None:
    assert related([file(0, []), file(1, []), file(2, [slot(0, "a")])], PairParams()) == []


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.5}, {"partners": 0}, {"shares": 0.5}, {"partners": "2"}])
def test_a_wrong_parameter_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PairParams.model_validate(wrong)
