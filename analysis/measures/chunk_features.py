"""Chunk features: what similar chunks have in common, for resemblance detection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from analysis.measure import Emit, Facts, Measure
from analysis.measures.hash_dedup import AverageSize

if TYPE_CHECKING:
    from elf.formats.base import ModelFile

Method = Literal["n-transform", "odess"]


def _distinct(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(values)) < len(values):
        raise ValueError("one is given twice")
    return values


class ResemblanceParams(BaseModel):
    """Average sizes of FastCDC's chunks (powers of two, bytes), and the ways to find similar ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fastcdc: Annotated[tuple[AverageSize, ...], Field(min_length=1), AfterValidator(_distinct)] = (4096, 65536)
    methods: Annotated[tuple[Method, ...], Field(min_length=1), AfterValidator(_distinct)] = ("n-transform", "odess")


def facts(_: ResemblanceParams) -> Facts:
    """The zstd library that codes chunks."""
    from analysis.relatives.deltas import zstd_version

    return {"zstd": zstd_version()}


def _run(model: ModelFile, params: ResemblanceParams, emit: Emit) -> None:
    from analysis.relatives.resemblance import describe  # compiled kernels

    describe(model, params.fastcdc, params.methods, emit)


MEASURE = Measure("chunk_features", 1, ResemblanceParams, _run, facts=facts)
