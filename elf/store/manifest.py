"""What a model is made of: its manifest lists files, and each model file has a recipe that lists objects.

A recipe is stored as an object itself, so that a file that two models share is described once. A manifest is one line
of JSON with a checksum over the rest; every byte of it is determined by what it says, so that any other byte is damage.
Both may come from somebody else: whatever they say is checked before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import xxhash

from elf.errors import ElfError
from elf.formats.found import quoted
from elf.skeleton import Layout, Range
from elf.store.objects import PIECE
from elf.store.places import KEY
from elf.tensor import DTYPES, ROLES

VERSION = 1


@dataclass(frozen=True, slots=True)
class Layer:
    """A tensor as it is stored; `step` is set when its values were rounded to multiples of 2^step."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    role: str
    part: int
    start: int
    step: int | None
    objects: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return DTYPES[self.dtype].nbytes(self.shape)

    @property
    def range(self) -> Range:
        """Where it lies in its part."""
        return Range(self.part, self.start, self.start + self.nbytes)

    def pieces(self) -> Iterator[tuple[str, int]]:
        """Key and bytes of each of its objects."""
        return zip(self.objects, lengths(self.nbytes), strict=True)

    @property
    def coded(self) -> str:
        """The dtype that codecs are given: u8 where elements do not fall on bytes."""
        return self.dtype if DTYPES[self.dtype].numpy is not None else "u8"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model file is put together: the parts beside it and the bytes of all parts, its tensors, its skeleton."""

    format: str
    others: tuple[str, ...]
    sizes: tuple[int, ...]
    layers: tuple[Layer, ...]
    skeleton: tuple[str, ...]

    @property
    def layout(self) -> Layout:
        """Where everything lies; the file's own name is left empty, since it is not what the recipe tells."""
        return Layout(("", *self.others), self.sizes, tuple(layer.range for layer in self.layers))

    @property
    def rounded(self) -> bool:
        """Whether some values are not the original ones."""
        return any(layer.step is not None for layer in self.layers)

    def pieces(self) -> Iterator[tuple[str, int]]:
        """Key and bytes of every object that the file is put together from."""
        yield from self.outside()
        for layer in self.layers:
            yield from layer.pieces()

    def outside(self) -> Iterator[tuple[str, int]]:
        """Key and bytes of every object of the skeleton."""
        return zip(self.skeleton, lengths(self.layout.skeleton_bytes), strict=True)

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return _json(asdict(self))


@dataclass(frozen=True, slots=True)
class Unit:
    """One model file with its parts: where it goes, bytes and sha256 of each part, and the objects of its recipe."""

    path: str
    sizes: tuple[int, ...]
    sha256: tuple[str, ...]
    lossy: str | None
    """What was allowed to be rounded, when something was."""
    recipe: tuple[str, ...]
    recipe_bytes: int

    @property
    def nbytes(self) -> int:
        """Bytes of all parts."""
        return sum(self.sizes)

    def pieces(self) -> Iterator[tuple[str, int]]:
        """Key and bytes of every object of the recipe."""
        return zip(self.recipe, lengths(self.recipe_bytes), strict=True)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A model: its name and its files."""

    name: str
    units: tuple[Unit, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(unit.nbytes for unit in self.units)

    def to_bytes(self) -> bytes:
        """As it is stored."""
        body = {"version": VERSION, **asdict(self)}
        return _json({"checksum": _digest(body), "manifest": body}) + b"\n"


def count(nbytes: int) -> int:
    """Pieces of something of `nbytes` bytes."""
    return -(-nbytes // PIECE)


def lengths(nbytes: int) -> list[int]:
    """Bytes of each piece of something of `nbytes` bytes."""
    return [min(PIECE, nbytes - start) for start in range(0, nbytes, PIECE)]


def read_recipe(data: bytes) -> Recipe:
    """The recipe that `Recipe.to_bytes` wrote. Raises ElfError when it is none, or impossible."""
    try:
        made = json.loads(data)
        layers = [Layer(**{**item, "shape": _numbers(item["shape"]), "objects": _keys(item["objects"])})
                  for item in made.pop("layers")]  # fmt: skip
        recipe = Recipe(layers=tuple(layers), skeleton=_keys(made.pop("skeleton")), sizes=_numbers(made.pop("sizes")),
                        others=_texts(made.pop("others")), format=_text(made.pop("format")), **made)  # fmt: skip
        for layer in layers:
            _check_layer(layer)
        _need(len(recipe.skeleton) == count(recipe.layout.skeleton_bytes), "objects for the skeleton")
    except _DAMAGE as error:
        raise ElfError(f"damaged recipe: {_reason(error)}") from error
    return recipe


def read_manifest(data: bytes, name: str) -> Manifest:
    """The manifest of model `name`. Raises ElfError when a byte of it is damaged, it is newer, or impossible."""
    try:
        whole = json.loads(data)
        body = whole["manifest"]
        if (version := body.pop("version")) != VERSION:
            raise ElfError(f"it has manifest version {version}; this library reads version {VERSION}")
        units = tuple(_unit(item) for item in body["units"])
        manifest = Manifest(_text(body["name"]), units)
        _need(manifest.to_bytes() == data, "a checksum")
        _need(manifest.name == name, "a name")
        _check_paths(manifest)
    except _DAMAGE as error:
        raise ElfError(f"damaged manifest: {_reason(error)}") from error
    return manifest


_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _unit(item: dict[str, Any]) -> Unit:
    unit = Unit(
        path=_text(item["path"]),
        sizes=_numbers(item["sizes"]),
        sha256=_keys(item["sha256"]),
        lossy=None if item["lossy"] is None else _text(item["lossy"]),
        recipe=_keys(item["recipe"]),
        recipe_bytes=_numbers([item["recipe_bytes"]])[0],
    )
    _need(len(unit.sizes) == len(unit.sha256) > 0, "a checksum for each part")
    _need(len(unit.recipe) == count(unit.recipe_bytes), "objects for a recipe")
    return unit


def _check_layer(layer: Layer) -> None:
    _need(layer.dtype in DTYPES and layer.role in ROLES, "a dtype and a role that are known")
    _numbers([layer.part, layer.start])
    _need(layer.step is None or type(layer.step) is int, "a step")
    _need(len(layer.objects) == count(layer.nbytes), f"objects for tensor {quoted(_text(layer.name))}")


def _check_paths(manifest: Manifest) -> None:
    paths = [unit.path for unit in manifest.units]
    _need(len(set(paths)) == len(paths), "a path of its own for each file")
    for path in paths:
        check_path(path)


def check_path(path: str) -> None:
    """Raises ElfError unless `path` is a plain relative path with slashes that stays in its folder on any system."""
    plain = PurePosixPath(path)
    if not path or path != str(plain) or path == "." or set(path) & set("\0\\:"):
        raise ElfError(f"{quoted(path)} is no plain relative path")
    if plain.is_absolute() or ".." in plain.parts:
        raise ElfError(f"{quoted(path)} leaves the folder")


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"it does not have {what}")


def _text(value: object) -> str:
    _need(isinstance(value, str), "a text where there should be one")
    return str(value)


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(_text, values))


def _numbers(values: Sequence[Any]) -> tuple[int, ...]:
    _need(all(type(value) is int and value >= 0 for value in values), "numbers where there should be some")
    return tuple(values)


def _keys(values: Sequence[Any]) -> tuple[str, ...]:
    _need(all(KEY.fullmatch(_text(value)) for value in values), "keys where there should be some")
    return tuple(values)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _digest(value: object) -> str:
    return xxhash.xxh3_128_hexdigest(_json(value))
