"""Deltas: changed layers of a file coded against their match in a related file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from analysis.measure import Emit, Facts, GroupMeasure
from analysis.measures import relatives
from analysis.relatives.pairing import PairParams

if TYPE_CHECKING:
    from elf.formats.base import ModelFile

Method = Literal["xor", "difference", "patch-from"]


def _distinct(methods: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(methods)) < len(methods):
        raise ValueError("a method is given twice")
    return methods


class DeltasParams(PairParams):
    """Which files are related, and how their layers are coded.

    xor: the bits that differ, split by float field (BitX of ZipLLM); difference: of bit patterns as integers
    (FM-Delta); patch-from: zstd with the base as prefix.
    """

    methods: Annotated[tuple[Method, ...], Field(min_length=1), AfterValidator(_distinct)] = (
        "xor",
        "difference",
        "patch-from",
    )


def _parts(params: DeltasParams) -> dict[str, DeltasParams]:
    return {method: params.model_copy(update={"methods": (method,)}) for method in params.methods}


def _run(files: Sequence[ModelFile], params: DeltasParams, emit: Emit) -> None:
    from analysis.relatives.deltas import code_deltas  # compiled kernels

    for method in params.methods:
        code_deltas(files, method, emit)


def _facts(params: DeltasParams) -> Facts:
    from analysis.relatives.deltas import DELTAS, PATCH_FROM, patch_version, zstd_version

    if params.methods == (PATCH_FROM,):
        return {"pyzstd": patch_version()}
    codecs = {method: DELTAS[method].version for method in params.methods if method in DELTAS}
    return {"zstd": zstd_version(), "pcodec": version("pcodec"), "codecs": codecs}


MEASURE = GroupMeasure("deltas", 1, DeltasParams, relatives.groups, _run, _parts, _facts)
