"""Twin keys: what of each layer stays the same when it is transposed, reshaped or cast without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from analysis.measure import Emit, Measure

if TYPE_CHECKING:
    from elf.formats.base import ModelFile


class TwinKeysParams(BaseModel):
    """It has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _run(model: ModelFile, _: TwinKeysParams, emit: Emit) -> None:
    from analysis.relatives.twins import emit_keys  # compiled kernels

    emit_keys(model, emit)


MEASURE = Measure("twin_keys", 1, TwinKeysParams, _run)
