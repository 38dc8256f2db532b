"""zstd beyond one unit: trained dictionaries and long-distance matching, over the files of a family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from analysis.measure import Emit, Facts, Group, GroupMeasure

if TYPE_CHECKING:
    from analysis.shard_index import ShardIndex
    from elf.formats.base import ModelFile

TRAINED = pa.schema(
    [
        ("unit", pa.string()),
        *(
            (name, pa.int64())
            for name in (
                "level", "n_train", "n_test", "bytes_in", "bytes_dictionary", "bytes_out", "bytes_out_without",
            )
        ),
    ]
)  # fmt: skip
LONG = pa.schema([("method", pa.string()), ("scope", pa.string()), ("bytes_in", pa.int64()), ("bytes_out", pa.int64())])

Level = Annotated[StrictInt, Field(ge=1, le=19)]


class ZstdBeyondParams(BaseModel):
    """Chunk sizes and the largest layer in bytes, the dictionary's largest size, the most to train on; zstd's level."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunks: list[Annotated[StrictInt, Field(ge=256, le=1 << 20)]] = [4096, 65536]
    largest_layer: Annotated[StrictInt, Field(ge=256)] = 65536
    dictionary: Annotated[StrictInt, Field(ge=1024)] = 112640
    train_on: Annotated[StrictInt, Field(ge=1 << 16)] = 1 << 24
    level: Level = 3


def _families(index: ShardIndex, params: ZstdBeyondParams) -> list[Group]:  # noqa: ARG001
    """Every family with all files of its models that could be read."""
    return [Group(tuple(files)) for files in index.families()]


def _run(models: Sequence[ModelFile], params: ZstdBeyondParams, emit: Emit) -> None:
    from analysis.compression.trained import LONG_WINDOW, pieces, streamed, trained, units_of

    for unit in [f"chunk-{size}" for size in sorted(params.chunks)] + ["layer"]:
        row = trained(units_of(models, unit, params.largest_layer), params.level, params.dictionary, params.train_on)
        if row is not None:
            emit("trained", pa.Table.from_pylist([{"unit": unit, "level": params.level, **row}], schema=TRAINED))
    total = sum(model.part(i).size for model in models for i in range(len(model.parts)))
    for method, window in (("zstd", None), ("zstd long", LONG_WINDOW)):
        by_file = sum(streamed(pieces([model]), params.level, window) for model in models)
        together = streamed(pieces(models), params.level, window)
        sizes = (("file", by_file), ("family", together))
        rows = [{"method": method, "scope": scope, "bytes_in": total, "bytes_out": out} for scope, out in sizes]
        emit("long", pa.Table.from_pylist(rows, schema=LONG))


def _facts(params: ZstdBeyondParams) -> Facts:  # noqa: ARG001
    import zstandard

    return {"zstd": [zstandard.__version__, ".".join(map(str, zstandard.ZSTD_VERSION))]}


MEASURE = GroupMeasure("zstd_beyond", 1, ZstdBeyondParams, _families, _run, facts=_facts)
