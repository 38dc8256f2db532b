"""Elves beside its peers: sizes and measured errors of every method on the same tensors, at the same bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt

from analysis.measure import Emit, Facts, Measure

if TYPE_CHECKING:
    from elf.formats.base import ModelFile

OURS = ("lossless", "elves", "everything", "steps", "floor")
"""Parts that are not peers: the fallback of all methods, Elves, Elves without its rule, its steps, the entropy."""

PEERS = (
    "sz3", "zfp", "quantized-pcodec", "uniform", "bitround", "elf-published",
    "cast-bf16", "cast-f16", "int8", "int16",
)  # fmt: skip
"""The lossy peers, by the names of `elf.codecs.peers`."""

PUBLISHED = 24
LADDER = ("elves", "floor")
"""Of our own parts, those that are measured at every bound; the others at the published one, or without loss."""

Item = TypeVar("Item")


def _known(table: Sequence[str], what: str) -> Callable[[list[str]], list[str]]:
    def check(names: list[str]) -> list[str]:
        if unknown := [name for name in names if name not in table]:
            raise ValueError(f"{', '.join(unknown)}: no such {what}; there are: {', '.join(table)}")
        return _distinct(names)

    return check


def _distinct(given: list[Item]) -> list[Item]:
    if len(set(given)) < len(given):
        raise ValueError("one of them is given twice")
    return given


Bound = Annotated[StrictInt, Field(ge=4, le=40)]


class ElvesParams(BaseModel):
    """Which of our own parts, which peers, and at which absolute bounds: n stands for 2 ** -n.

    Without a bound only those are measured that need none: no loss at all, casts, integers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ours: Annotated[list[str], AfterValidator(_known(OURS, "part"))] = list(OURS)
    peers: Annotated[list[str], AfterValidator(_known(PEERS, "peer"))] = list(PEERS)
    bounds: Annotated[list[Bound], AfterValidator(_distinct)] = [24, 20, 16, 12, 10]


def _parts(params: ElvesParams) -> dict[str, ElvesParams]:
    """One method at one bound each, so that each has a shard of its own."""
    from analysis.evaluation.methods import bounds_of

    found = {}
    for name in params.ours:
        for bound in ours_at(name, params.bounds):
            found[f"{name}@{bound}"] = ElvesParams(ours=[name], peers=[], bounds=[bound] if bound else [])
    for name in params.peers:
        for bound in bounds_of(name, params.bounds):
            found[f"{name}@{bound}"] = ElvesParams(ours=[], peers=[name], bounds=[bound] if bound else [])
    return found


def ours_at(name: str, bounds: list[int]) -> list[int]:
    """At which bounds one of our own parts is measured; 0 stands for no loss."""
    if name == "lossless":
        return [0]
    return [bound for bound in bounds if name in LADDER or bound == PUBLISHED]


def _facts(part: ElvesParams) -> Facts:
    """The version of the package that makes the rows; None when it is not installed."""
    from analysis.evaluation.methods import package_of

    return {peer: package_of(peer)[1] for peer in part.peers}


def _run(model: ModelFile, part: ElvesParams, emit: Emit) -> None:
    from analysis.evaluation.run import run_part  # compiled kernels: loaded only where something is measured

    [method] = [*part.ours, *part.peers]
    run_part(model, method, part.bounds[0] if part.bounds else 0, emit)


MEASURE = Measure("elves", 1, ElvesParams, _run, _parts, _facts)
