"""Tensor codes: every layer by a lossless float codec and by zstd, alone: what a delta has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from analysis.measure import Emit, Facts, Measure

if TYPE_CHECKING:
    from elf.formats.base import ModelFile


class TensorCodesParams(BaseModel):
    """It has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _run(model: ModelFile, _: TensorCodesParams, emit: Emit) -> None:
    from analysis.relatives.deltas import code_alone  # compiled kernels

    code_alone(model, emit)


def _facts(_: TensorCodesParams) -> Facts:
    from analysis.relatives.deltas import ALONE, zstd_version

    return {"zstd": zstd_version(), "codecs": {codec.name: codec.version for codec in ALONE}}


MEASURE = Measure("tensor_codes", 1, TensorCodesParams, _run, facts=_facts)
