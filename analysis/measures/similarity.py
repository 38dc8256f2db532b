"""Similarity of whole files: sketches of the parameters of each, and its values beside noise of the same shape."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from analysis.measure import Emit, Facts, Measure

if TYPE_CHECKING:
    from elf.formats.base import ModelFile


class SimilarityParams(BaseModel):
    """How many permutations a MinHash sketch has, and the seed of these and of the noise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    permutations: Annotated[StrictInt, Field(ge=16, le=4096)] = 256
    seed: Annotated[StrictInt, Field(ge=0, lt=1 << 32)] = 1


def _run(model: ModelFile, params: SimilarityParams, emit: Emit) -> None:
    from analysis.similarity.parameter_sets import sketch  # compiled kernels: loaded only where something is measured

    sketch(model, params.permutations, params.seed, emit)


def _facts(_: Any) -> Facts:
    return {"datasketch": version("datasketch"), "rensa": version("rensa"), "numpy": version("numpy")}


MEASURE = Measure("similarity", 1, SimilarityParams, _run, facts=_facts)
