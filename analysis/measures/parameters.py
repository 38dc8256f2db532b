"""Parameters: how large the values of a file are, and how far apart equal ones lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from analysis.measure import Emit, Measure

if TYPE_CHECKING:
    from elf.formats.base import ModelFile


class ParametersParams(BaseModel):
    """How many parameters of one dtype are looked at together for repeats; the next ones start anew."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Annotated[StrictInt, Field(ge=1 << 10, le=1 << 28)] = 1 << 25


def _run(model: ModelFile, params: ParametersParams, emit: Emit) -> None:
    from analysis.contents.values import look_at  # compiled kernels: loaded only where something is measured

    look_at(model, params.window, emit)


MEASURE = Measure("parameters", 1, ParametersParams, _run)
