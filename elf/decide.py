"""What a rule decides for the ranges of a model file, each of which may hold the bytes of more than one tensor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from elf.formats import ModelFile
from elf.rule import Decision, Rule
from elf.skeleton import Layout, Range
from elf.tensor import Tensor


def decisions(model: ModelFile, layout: Layout, stored: Sequence[Tensor], rule: Rule) -> list[Decision]:
    """What `rule.before` says of each range, given `layout` and `stored` as `cut` gives them.

    Where other tensors lie over the same bytes, a range may only be lossy when they may be as well: within the same
    bound, and as values of the same type.
    """
    decided = [rule.before(tensor) for tensor in stored]
    places = {tensor.name: number for number, tensor in enumerate(stored)}
    for alias in model.tensors:
        if alias.alias_of is None:
            continue
        says = rule.before(alias)
        owner = places.get(alias.alias_of)
        for number in {*_under(model.as_stored(alias), layout.ranges), *([] if owner is None else [owner])}:
            mine = decided[number].bound
            if mine is not None and (says.bound != mine or alias.dtype != stored[number].dtype):
                decided[number] = Decision(f"{alias.name} is stored in the same bytes: {says.reason}")
    return decided


def _under(alias: Tensor, ranges: Sequence[Range]) -> Iterator[int]:
    """The ranges that a plain alias reaches over."""
    if alias.offset is None:
        return
    first = bisect_right(ranges, (alias.part, alias.offset), key=lambda item: (item.part, item.stop))
    for number in range(first, len(ranges)):
        if (ranges[number].part, ranges[number].start) >= (alias.part, alias.offset + alias.nbytes):
            return
        yield number
