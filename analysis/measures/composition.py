"""Composition: what each codec makes of a file, its layers and its chunks, and which chunks the coded bytes have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from analysis.measure import Emit, Facts, Measure
from analysis.measures.hash_dedup import AverageSize, distinct

if TYPE_CHECKING:
    from analysis.contents.chunking import Rule
    from elf.formats.base import ModelFile

CodecName = Literal["stored", "zstd-3", "lz4-bg4", "split", "elves"]


def _once(codecs: list[str]) -> list[str]:
    if len(set(codecs)) < len(codecs):
        raise ValueError("a codec is given twice")
    return codecs


class CompositionParams(BaseModel):
    """Which codecs, and which content-defined chunks: average sizes of FastCDC's (powers of two), Xet's or not.

    `stored` is what deduplication alone is taken from; without it there is no such row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    codecs: Annotated[list[CodecName], Field(min_length=1), AfterValidator(_once)] = [
        "stored", "zstd-3", "lz4-bg4", "split", "elves",
    ]  # fmt: skip
    fastcdc: Annotated[list[AverageSize], AfterValidator(distinct)] = [65536]
    xet: StrictBool = True

    def rules(self) -> list[Rule]:
        """The chunking rules, in a fixed order."""
        from analysis.contents.chunking import XET, fastcdc

        rules = [*map(fastcdc, sorted(self.fastcdc))]
        return [*rules, XET] if self.xet else rules


def _parts(params: CompositionParams) -> dict[str, CompositionParams]:
    return {codec: params.model_copy(update={"codecs": [codec]}) for codec in params.codecs}


def _facts(params: CompositionParams) -> Facts:
    from analysis.composition.coders import CODERS, OfValues, packages
    from elf.codecs import CODECS

    ours = {name: codec.version for name, codec in CODECS.items()}
    return {name: packages(name) | (ours if isinstance(CODERS[name], OfValues) else {}) for name in params.codecs}


def _run(model: ModelFile, params: CompositionParams, emit: Emit) -> None:
    from analysis.composition.composing import compose  # compiled kernels: loaded only where something is measured

    for codec in params.codecs:
        compose(model, codec, params.rules(), emit)


MEASURE = Measure("composition", 1, CompositionParams, _run, _parts, _facts)
