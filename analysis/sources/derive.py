"""Models made here from another entry of the study: a cast, or the same tensors in other files. Labelled as derived."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from analysis.config import Derivation, DeriveEntry, Family
from analysis.config.entries import Entry
from analysis.sources.base import Context, Found, Model, WeightFile
from analysis.sources.errors import SourceError
from analysis.sources.floats import LAYOUTS, cast
from analysis.sources.folders import about, discard, partial, publish, verified
from analysis.sources.safetensors_out import Piece, write_safetensors
from elf.errors import ElfError
from elf.formats import ModelFile, open_model
from elf.tensor import Tensor

METHOD_VERSION = 1
_BLOCK = 1 << 20
_TYPES = {"float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64"}


@dataclass(frozen=True)
class _Source:
    """A tensor of the base model and the open file that has it."""

    tensor: Tensor
    file: ModelFile


@dataclass
class _Overflow:
    """Finite values that the smaller type cannot hold."""

    count: int = field(default=0)


def pull_derive(entry: Entry, family: Family, context: Context) -> Found:
    """The model of a `derive:` entry, made once. Raises SourceError when its base is missing or unfit."""
    assert isinstance(entry, DeriveEntry)
    recipe = entry.derive
    base = context.models.get(recipe.from_)
    if base is None:
        raise SourceError("NoBase", f"it is made from {recipe.from_!r}, which could not be pulled")
    final = _folder(base, recipe, context)
    files = verified(final, context.sums) or _make(base, recipe, final, context)
    if overflowed := about(final)["overflowed"]:
        context.note(f"{entry.label}: {overflowed} finite values of {base.name} became infinite as {recipe.cast}")
    task = entry.task or family.task or base.task
    source = f"derive:{recipe.from_}"
    return Found([Model(family.name, entry.label, source, _described(recipe), task, True, files)])


def present(entry: DeriveEntry, context: Context) -> bool:
    """Whether the model was made already from a base that is in `context.models`; nothing is made."""
    base = context.models.get(entry.derive.from_)
    return base is not None and verified(_folder(base, entry.derive, context), context.sums) is not None


def _described(recipe: Derivation) -> str:
    if recipe.reshard is None:
        return f"cast {recipe.cast}"
    return f"reshard {recipe.reshard.files} files" if recipe.reshard.files else f"reshard {recipe.reshard.bytes} bytes"


def _folder(base: Model, recipe: Derivation, context: Context) -> Path:
    """One folder for each content of the base, recipe and version of this code."""
    content = [[file.name, context.sums.sha256(file.path)] for file in base.files]
    key = hashlib.sha256(json.dumps([METHOD_VERSION, _described(recipe), content]).encode()).hexdigest()
    return context.cache / "models" / "derived" / key[:24]


def _make(base: Model, recipe: Derivation, final: Path, context: Context) -> tuple[WeightFile, ...]:
    overflow = _Overflow()
    with partial(context.cache) as scratch, ExitStack() as opened:
        discard(final, scratch)
        made = scratch / "files"
        made.mkdir()
        metadata = {"derived_from": base.name, "recipe": _described(recipe)}
        files = {}
        for name, sources in _planned(base, recipe, opened):
            target = made / name
            target.parent.mkdir(parents=True, exist_ok=True)
            pieces = [_piece(source, recipe.cast, overflow) for source in sources]
            files[name] = write_safetensors(target, pieces, metadata)
        publish(made, files, final, {**metadata, "overflowed": overflow.count})
    result = verified(final, context.sums)
    if result is None:
        raise SourceError("Damaged", "its files changed while they were written; pull again")
    return result


def _planned(base: Model, recipe: Derivation, opened: ExitStack) -> Iterator[tuple[str, list[_Source]]]:
    """Files to write with the tensors of each; tensors that are only another name for others' bytes are left out."""
    sources = {file.name: _sources(file, opened) for file in base.files}
    if not any(sources.values()):
        raise SourceError("NoTensors", f"no file of {base.name} has tensors that can be read")
    if recipe.reshard is None:
        yield from ((_as_safetensors(name), inside) for name, inside in sources.items() if inside)
        return
    every = [source for inside in sources.values() for source in inside]
    _check_unique(every, base)
    groups = _groups(every, recipe.reshard.files, recipe.reshard.bytes)
    for index, group in enumerate(groups, 1):
        yield f"model-{index:05d}-of-{len(groups):05d}.safetensors", group


def _sources(file: WeightFile, opened: ExitStack) -> list[_Source]:
    try:
        model = opened.enter_context(open_model(file.path))
    except ElfError as error:  # the file by its name: where it lies differs from machine to machine
        raise SourceError("Unreadable", str(error).replace(str(file.path), file.name), file.name) from error
    return [_Source(tensor, model) for tensor in model.tensors if tensor.alias_of is None]


def _as_safetensors(name: str) -> str:
    return name if name.endswith(".safetensors") else f"{name}.safetensors"


def _check_unique(sources: Iterable[_Source], base: Model) -> None:
    names: set[str] = set()
    for source in sources:
        if source.tensor.name in names:
            reason = f"two files of {base.name} have a tensor {source.tensor.name!r}: they are not one checkpoint"
            raise SourceError("NotOneModel", reason)
        names.add(source.tensor.name)


def _groups(sources: list[_Source], files: int | None, most: int | None) -> list[list[_Source]]:
    """Tensors in order, in `files` files of about equal size, or of `most` bytes each unless one tensor has more."""
    if files is not None and len(sources) < files:
        raise SourceError("TooFewTensors", f"{len(sources)} tensors cannot be spread over {files} files")
    total = sum(source.tensor.nbytes for source in sources)
    groups: list[list[_Source]] = [[]]
    size = done = 0
    for index, source in enumerate(sources):
        if files is not None:
            unopened, left = files - len(groups), len(sources) - index
            full = unopened > 0 and (done * files >= total * len(groups) or left <= unopened)
        else:
            full = size + source.tensor.nbytes > (most or 0)
        if full and groups[-1]:
            groups.append([])
            size = 0
        groups[-1].append(source)
        size += source.tensor.nbytes
        done += source.tensor.nbytes
    return groups


def _piece(source: _Source, to: str | None, overflow: _Overflow) -> Piece:
    tensor = source.tensor
    same = Piece(tensor.name, tensor.dtype, tensor.shape, tensor.nbytes, lambda: _plain(source))
    if to is None or tensor.dtype not in LAYOUTS:
        return same
    target = _TYPES[to]
    nbytes = tensor.n_params * LAYOUTS[target].width // 8
    return replace(same, dtype=target, nbytes=nbytes, content=lambda: _converted(source, target, overflow))


def _plain(source: _Source) -> Iterator[bytes]:
    content = source.file.bytes(source.tensor)
    for start in range(0, content.size, _BLOCK):
        yield content[start : start + _BLOCK].tobytes()


def _converted(source: _Source, to: str, overflow: _Overflow) -> Iterator[bytes]:
    layout = LAYOUTS[source.tensor.dtype]
    for block in _plain(source):
        codes, overflowed = cast(np.frombuffer(block, layout.unsigned), layout, LAYOUTS[to])
        overflow.count += overflowed
        yield codes.tobytes()
