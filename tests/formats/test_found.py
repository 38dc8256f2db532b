from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elf.errors import ElfError
from elf.formats.found import FREE_BYTES, MAX_NAME, MAX_TENSORS, Found, arrange, clipped, quoted
from elf.tensor import Tensor


def _tensors(*found: Found, size: int = 1000) -> list[Tensor]:
    return [tensor for tensor, _ in arrange(found, [size])]


def _nothing() -> np.ndarray:
    return np.empty(0, np.uint8)


def test_tensors_come_by_part_and_offset_then_name() -> None:
    found = [Found("b", "u8", (2,), 10, 2), Found("c", "u8", (0,), 0, 0, part=1), Found("a", "u8", (2,), 10, 2)]
    found += [Found("z", "u8", (3,), 4, 3), Found("scattered", "u8", (3,), None, 2, decode=_nothing)]
    names = [tensor.name for tensor, _ in arrange(found, [100, 100])]
    assert names == ["z", "a", "b", "scattered", "c"]


def test_a_tensor_over_an_earlier_one_is_its_alias_even_in_part() -> None:
    whole, part, inner, next_ = _tensors(
        Found("part", "u8", (8,), 6, 8),
        Found("whole", "u8", (10,), 0, 10),
        Found("inner", "u8", (2,), 8, 2),
        Found("next", "u8", (4,), 10, 4),
    )
    assert [whole.alias_of, part.alias_of, inner.alias_of, next_.alias_of] == [None, "whole", "whole", None]
    assert [whole.stored, part.stored, inner.stored, next_.stored] == [10, 0, 0, 4]


def test_of_two_tensors_at_one_offset_the_longer_owns_the_bytes() -> None:
    first, second = _tensors(Found("a", "u8", (2,), 0, 2), Found("b", "u8", (5,), 0, 5))
    assert (first.name, second.name, second.alias_of) == ("b", "a", "b")


def test_an_empty_tensor_is_no_alias_and_hides_nothing() -> None:
    tensors = _tensors(Found("a", "f32", (4,), 0, 16), Found("empty", "f32", (0, 3), 8, 0), Found("b", "u8", (), 16, 1))
    assert [tensor.alias_of for tensor in tensors] == [None, None, None]
    assert tensors[1].stored == tensors[1].nbytes == 0


def test_parts_do_not_alias_one_another() -> None:
    found = [Found("a", "u8", (9,), 0, 9), Found("b", "u8", (9,), 0, 9, part=1)]
    assert [tensor.alias_of for tensor, _ in arrange(found, [9, 9])] == [None, None]


def test_equal_names_are_told_apart_the_same_way_each_time() -> None:
    found = [Found("w", "u8", (), at, 1) for at in (3, 1, 2)] + [Found("w#2", "u8", (), 0, 1)]
    assert [tensor.name for tensor in _tensors(*found)] == ["w#2", "w", "w#3", "w#4"]


def test_a_name_that_is_no_utf8_is_escaped() -> None:
    assert [tensor.name for tensor in _tensors(Found("a\ud800b", "u8", (), 0, 1))] == [r"a\ud800b"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (Found("w", "f32", (2,), 0, 7), "holds 7 bytes, its shape needs 8"),
        (Found("w", "f32", (2,), 996, 8), "lies outside the file: bytes 996 to 1004 of 1000"),
        (Found("w", "f32", (2,), -4, 8), "lies outside the file"),
        (Found("w", "u8", (0,), 1001, 0), "lies outside the file"),
        (Found("w", "u8", (-1, -1), 0, 1), "impossible shape"),
        (Found("w", "u8", (1,) * 65, 0, 1), "impossible shape of 65 dimensions"),
        (Found("w", "u8", (1 << 63, 1 << 63), 0, 1), "its shape needs"),
        (Found("w", "u8", (FREE_BYTES + 1033,), 0, 1, decode=_nothing), "but only 1 are stored"),
        (Found("w", "u8", (4,), None, 1001, decode=_nothing), "lies outside the file"),
    ],
)
def test_a_tensor_that_does_not_fit_the_file_is_refused(found: Found, reason: str) -> None:
    with pytest.raises(ElfError, match=reason):
        _tensors(found)


def test_scattered_tensors_cannot_claim_more_than_the_file_holds() -> None:
    found = [Found(name, "u8", (600,), None, 600, decode=_nothing) for name in "ab"]
    with pytest.raises(ElfError, match="claim 1200 bytes of a file of 1000"):
        _tensors(*found)
    found[1].same_as = found[0]
    assert sum(tensor.stored for tensor in _tensors(*found)) == 600


def test_too_many_tensors_are_refused() -> None:
    with pytest.raises(ElfError, match="more than"):
        _tensors(*[Found("w", "u8", (), 0, 1)] * (MAX_TENSORS + 1))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12), st.booleans()), max_size=30))
def test_stored_bytes_are_disjoint_and_every_alias_lies_over_its_owner(ranges: list[tuple[int, int, bool]]) -> None:
    found = [
        Found(f"t{index % 7}", "u8", (length,), start, length, decode=_nothing if decoded else None)
        for index, (start, length, decoded) in enumerate(ranges)
    ]
    arranged = arrange(found, [52])
    spans = {tensor.name: range(item.start or 0, (item.start or 0) + item.length) for tensor, item in arranged}
    owned = [byte for tensor, _ in arranged if tensor.alias_of is None for byte in spans[tensor.name]]
    assert len(owned) == len(set(owned)) == sum(tensor.stored for tensor, _ in arranged)
    assert len(spans) == len(ranges)
    for tensor, _ in arranged:
        if tensor.alias_of is not None:
            assert set(spans[tensor.name]) & set(spans[tensor.alias_of])


def test_long_names_are_cut_in_messages_and_when_put_together() -> None:
    assert quoted("a\nb") == r"'a\nb'"
    assert len(quoted("x" * 1_000_000)) < 100
    assert len(clipped("x" * 1_000_000)) == MAX_NAME
    assert clipped("model.weight") == "model.weight"
