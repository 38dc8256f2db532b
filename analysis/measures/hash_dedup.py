"""Hash deduplication: what a file consists of at every granularity, as hashes that can be matched across files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from analysis.measure import Emit, Measure

if TYPE_CHECKING:
    from analysis.contents.chunking import Rule
    from elf.formats.base import ModelFile


def _power_of_two(size: int) -> int:
    if size & (size - 1):
        raise ValueError(f"{size} is not a power of two")
    return size


def distinct(sizes: list[int]) -> list[int]:
    """Refuse a list that names a size twice."""
    if len(set(sizes)) < len(sizes):
        raise ValueError("a size is given twice")
    return sizes


FixedSize = Annotated[StrictInt, Field(ge=256, le=1 << 26)]
AverageSize = Annotated[StrictInt, Field(ge=256, le=1 << 22), AfterValidator(_power_of_two)]


class HashDedupParams(BaseModel):
    """Which chunks: sizes of fixed-size ones, average sizes of FastCDC's (powers of two), Xet's or not; in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fixed: Annotated[list[FixedSize], AfterValidator(distinct)] = [512, 4096, 65536, 1048576]
    fastcdc: Annotated[list[AverageSize], AfterValidator(distinct)] = [4096, 65536]
    xet: StrictBool = True

    def rules(self) -> list[Rule]:
        """The chunking rules, in a fixed order."""
        from analysis.contents.chunking import XET, fastcdc, fixed

        rules = [*map(fixed, sorted(self.fixed)), *map(fastcdc, sorted(self.fastcdc))]
        return [*rules, XET] if self.xet else rules


def _run(model: ModelFile, params: HashDedupParams, emit: Emit) -> None:
    from analysis.contents.fingerprints import fingerprint  # compiled kernels: loaded only where something is measured

    fingerprint(model, params.rules(), emit)


MEASURE = Measure("hash_dedup", 1, HashDedupParams, _run)
