"""Small models for stores, and what is asked of stores again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from elf.rule import Rule
from elf.store import Store

LOSSLESS = Rule(lossless=True)
Tensors = dict[str, NDArray[Any]]


def weights(seed: int, *, rows: int = 40, layers: int = 2) -> Tensors:
    """A model with a few layers of random weights."""
    rng = np.random.default_rng(seed)
    made: Tensors = {}
    for layer in range(layers):
        made[f"layer.{layer}.weight"] = rng.normal(0, 0.05, (rows, 32)).astype("<f4")
        made[f"layer.{layer}.bias"] = rng.normal(0, 0.01, 300).astype("<f4")
    return made


def single(seed: int) -> Tensors:
    """A model of one tensor."""
    return {"weight": weights(seed, rows=20, layers=1)["layer.0.weight"]}


def tuned(tensors: Tensors, seed: int) -> Tensors:
    """A fine-tune: every float value moved by a few units in its last place."""
    rng = np.random.default_rng(seed)
    moved = {}
    for name, array in tensors.items():
        bits = array.view(f"u{array.itemsize}") + rng.integers(0, 16, array.shape).astype(f"u{array.itemsize}")
        moved[name] = bits.view(array.dtype)
    return moved


def save(path: Path, tensors: Tensors) -> Path:
    """As a safetensors file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.numpy.save_file(tensors, path)
    return path


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file of a folder, or of one file by its name."""
    if folder.is_file():
        return {folder.name: folder.read_bytes()}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def restored(store: Store, name: str, folder: Path) -> dict[str, bytes]:
    """The files of a model as the store gives them back."""
    store.restore(name, folder / name)
    return files(folder / name)


def objects(store: Store) -> list[Path]:
    """Every object file."""
    return sorted(path for path in (store.path / "objects").rglob("*") if path.is_file())


def is_sound(store: Store) -> bool:
    """Whether `verify` finds nothing wrong."""
    return store.verify().damages == ()
