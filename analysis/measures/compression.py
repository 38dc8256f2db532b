"""Dictionary coding and its peers: what lossless methods make of whole files, layers, chunks and parameters."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from analysis.measure import FAILURES, Emit, Facts, Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analysis.compression.coding import Total
    from analysis.compression.methods import Method
    from analysis.compression.units import Piece
    from elf.formats.base import ModelFile

METHOD = [("granularity", pa.string()), ("transform", pa.string()), ("codec", pa.string()), ("params", pa.string())]
SIZES = pa.schema(
    [
        *METHOD,
        ("dtype", pa.string()),  # of the layers; empty where bytes are coded as bytes
        *((name, pa.int64()) for name in ("n_units", "n_kept", "bytes_in", "bytes_out")),
    ]
)
SAMPLES = pa.schema(
    [
        *METHOD,
        *((name, pa.int64()) for name in ("n_blocks", "n_sampled", "bytes", "bytes_in", "bytes_out")),
        ("estimate", pa.float64()),
        ("variance", pa.float64()),
    ]
)
XET_PART = "xet"


def _known(text: str) -> str:
    from analysis.compression.methods import Method

    assert Method(text).coder
    return text


def _distinct(items: list[Any]) -> list[Any]:
    if len(set(items)) < len(items):
        raise ValueError("one is given twice")
    return items


def _distinct_methods(texts: list[str]) -> list[str]:
    """Two spellings of one method (zstd, zstd:level=3) would count everything twice in its one row."""
    from analysis.compression.methods import Method

    methods = [Method(text) for text in texts]
    _distinct([(method.transform, method.codec, method.params) for method in methods])
    return texts


MethodName = Annotated[str, AfterValidator(_known)]
ChunkSize = Annotated[StrictInt, Field(ge=256, le=1 << 26)]
Count = Annotated[StrictInt, Field(ge=1)]


class Sample(BaseModel):
    """Which blocks slow methods see: fixed size in bytes, one in so many of a file's, at least so many, from a seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    block: ChunkSize = 1 << 18
    one_in: Count = 16
    least: Annotated[StrictInt, Field(ge=2)] = 4
    seed: Annotated[StrictInt, Field(ge=0)] = 2024


class CompressionParams(BaseModel):
    """Methods measured in full (left out: every lossless codec and peer there is), chunk sizes in bytes, slow methods.

    Where `methods` are given, nothing else is measured unless it is named too.
    `sampled` methods see a sample of blocks; `whole` ones see every block of the sample's size; a `sample` left empty
    takes out both. `xet`: what the Hub does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    methods: Annotated[list[MethodName], AfterValidator(_distinct_methods)] | None = None
    chunks: Annotated[list[ChunkSize], AfterValidator(_distinct)] = [4096, 65536, 1048576]
    sampled: Annotated[list[MethodName], AfterValidator(_distinct_methods)] = [
        "zstd:level=3", "zstd:level=19", "xz:preset=6", "brotli:quality=11",
    ]  # fmt: skip
    whole: Annotated[list[MethodName], AfterValidator(_distinct_methods)] = ["zstd:level=19"]
    sample: Sample | None = Sample()
    xet: StrictBool = True

    @model_validator(mode="before")
    @classmethod
    def _only_what_is_named(cls, given: Any) -> Any:
        """Who names methods asks for these alone: slow ones on a sample and the Hub's way only when named as well."""
        if isinstance(given, dict) and given.get("methods") is not None:
            return {"sampled": [], "whole": [], "xet": False} | given
        return given

    @property
    def full(self) -> list[Method]:
        """The methods measured in full."""
        from analysis.compression.methods import Method, every

        return [Method(text) for text in (every() if self.methods is None else self.methods)]

    def only(self, **kept: Any) -> CompressionParams:
        """These parameters with nothing asked for but what is given; what that does not depend on is left out."""
        nothing: dict[str, Any] = {
            "methods": [],
            "chunks": [],
            "sampled": [],
            "whole": [],
            "sample": None,
            "xet": False,
        }
        return self.model_copy(update=nothing | kept)


def _parts(params: CompressionParams) -> dict[str, CompressionParams]:
    """One part a codec behind a transform: a new codec measures only itself, a crash costs one codec."""
    from analysis.compression.methods import Method

    groups: dict[str, list[str]] = {}
    for method in params.full:
        groups.setdefault(method.group, []).append(method.text)
    parts = {group: params.only(methods=texts, chunks=params.chunks) for group, texts in groups.items()}
    for kind in ("sampled", "whole"):
        for text in getattr(params, kind):
            parts[f"{Method(text).group} {kind} {Method(text).params}"] = params.only(
                **{kind: [text], "sample": params.sample}
            )
    return parts | ({XET_PART: params.only(xet=True)} if params.xet else {})


def _facts(params: CompressionParams) -> Facts:
    """The versions of what codes: of a package, or of our own codec's bytes and the libraries below it."""
    from analysis.compression.methods import Method

    methods = [*params.full, *map(Method, (*params.sampled, *params.whole))]
    facts = {method.codec: [method.plain.version, *_version(method.plain)] for method in methods}
    return facts | (_xet_facts() if params.xet else {})


def _version(codec: Any) -> list[str]:
    from importlib.metadata import version

    from elf.codecs.peers.base import Peer

    return [str(codec.installed())] if isinstance(codec, Peer) else [version("zstandard"), version("pcodec")]


def _xet_facts() -> Facts:
    from elf.codecs.peers.lz4 import Lz4

    return {"lz4": str(Lz4.installed())}


def _run(model: ModelFile, params: CompressionParams, emit: Emit) -> None:
    from analysis.compression.methods import Method

    for method in params.full:
        _guarded(method, emit, partial(_in_full, model, method, params, emit))
    if params.sample is not None:
        for run, texts in ((_sampled, params.sampled), (_whole, params.whole)):
            for method in map(Method, texts):
                _guarded(method, emit, partial(run, model, method, params.sample, emit))
    if params.xet:
        _guarded(Method("lz4"), emit, partial(_xet, model, emit))


def _guarded(method: Method, emit: Emit, run: Callable[[], None]) -> None:
    """Run one method; what it cannot do is a row of failures, and never an end of the others."""
    try:
        if method.missing:
            raise ModuleNotFoundError(method.missing)
        run()
    except MemoryError:
        raise
    except Exception as error:  # somebody else's code
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        row = {"method": method.text, "error": type(error).__name__, "reason": reason}
        emit("failures", pa.Table.from_pylist([row], schema=FAILURES))


def _in_full(model: ModelFile, method: Method, params: CompressionParams, emit: Emit) -> None:
    from analysis.compression.coding import totals

    for granularity, pieces in _units(model, method, params):
        found = totals(pieces, method.coder, per_value=granularity == "parameter")
        emit("compression", _sizes(granularity, method, found))


def _units(model: ModelFile, method: Method, params: CompressionParams) -> Iterator[tuple[str, Iterator[Piece]]]:
    """Granularities with their units. Coders of plain bytes also take what is in no layer."""
    from analysis.compression import units

    for unit in method.units:
        if unit == "file":
            yield "file", units.files(model)
            rest = units.rest(model)
            yield "rest", iter([] if rest is None else [rest])
        elif unit == "chunk":
            yield from ((f"chunk-{size}", units.chunks(model, size)) for size in sorted(params.chunks))
        else:
            yield unit, units.layers(model)


def _sizes(granularity: str, method: Method, found: dict[str, Total]) -> pa.Table:
    """Rows by dtype; identity keeps what it gets, and needs no lengths."""
    from analysis.compression.methods import IDENTITY

    rows = [{**_named(granularity, method), "dtype": dtype, **vars(total)} for dtype, total in sorted(found.items())]
    if method.codec == IDENTITY:
        rows = [{**row, "n_kept": row["n_units"], "bytes_out": row["bytes_in"]} for row in rows]
    return pa.Table.from_pylist(rows, schema=SIZES)


def _named(granularity: str, method: Method) -> dict[str, Any]:
    names = {"transform": method.transform, "codec": method.codec, "params": method.params}
    return {"granularity": granularity, **names}


def _sampled(model: ModelFile, method: Method, sample: Sample, emit: Emit) -> None:
    from analysis.compression.sampling import Plan, sampled

    row = sampled(model, method.coder, Plan(**sample.model_dump()))
    if row:
        named = _named(f"chunk-{sample.block}", method)
        emit("samples", pa.Table.from_pylist([{**named, **row}], schema=SAMPLES))


def _whole(model: ModelFile, method: Method, sample: Sample, emit: Emit) -> None:
    from analysis.compression import units
    from analysis.compression.coding import totals

    found = totals(units.chunks(model, sample.block), method.coder)
    emit("compression", _sizes(f"chunk-{sample.block}", method, found))


def _xet(model: ModelFile, emit: Emit) -> None:
    from analysis.compression.xet import xet

    rows = [
        {"granularity": "chunk-xet", "transform": "none", "codec": name, "params": "", "dtype": "", **vars(total)}
        for name, total in xet(model).items()
    ]
    emit("compression", pa.Table.from_pylist(rows, schema=SIZES))


MEASURE = Measure("compression", 1, CompressionParams, _run, _parts, _facts)
