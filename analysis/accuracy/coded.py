"""A model file as a method leaves it: really encoded, decoded, and put back together as a file of its own format.

Every method gets the same tensors (`eligible`) and the same lossless fallback, Elves' own, for all other bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import elf
from analysis.sources.floats import LAYOUTS, cast
from elf.bound import Bound
from elf.coding import typed
from elf.decide import decisions
from elf.formats.base import ModelFile
from elf.restore import restore
from elf.rule import Rule
from elf.skeleton import Layout, cut, interleave, join, skeleton
from elf.tensor import Tensor
from elf.writer import compress_file

Values = NDArray[Any]
Roundtrip = Callable[[Values, Tensor], tuple[int, Values]]
"""Coded bytes, and the values that decoding them gives."""

BOUNDED = ("elves", "elf")
_PART = 1 << 18


@dataclass(frozen=True)
class Method:
    """A method and its bound; methods that have none are without."""

    name: str
    bound: float | None = None


@dataclass(frozen=True)
class Sizes:
    """Parameters and bytes of one file under one method; `eligible` ones are those that it may change."""

    n_params: int
    n_eligible: int
    bytes_in: int
    bytes_out: int
    bytes_eligible: int


@dataclass(frozen=True)
class Eligible:
    """Where a file's tensors lie, and the numbers of those that every method may change."""

    layout: Layout
    stored: list[Tensor]
    numbers: frozenset[int]

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [self.stored[number].name for number in sorted(self.numbers)]


def eligible(model: ModelFile) -> Eligible:
    """The tensors that Elf is for: weights of two dimensions or more, f32 or f64, all of them finite."""
    layout, stored = cut(model)
    decided = decisions(model, layout, stored, Rule())
    numbers = [number for number, decision in enumerate(decided) if decision.bound is not None]
    return Eligible(
        layout, stored, frozenset(n for n in numbers if np.isfinite(_values(model, layout, stored, n)).all())
    )


def _values(model: ModelFile, layout: Layout, stored: list[Tensor], number: int) -> Values:
    place = layout.ranges[number]
    return typed(model.part(place.part)[place.start : place.stop], stored[number].dtype)


def coded(model: ModelFile, method: Method, folder: Path) -> tuple[Path, Sizes]:
    """Write the file as `method` leaves it into `folder`, and count. Raises ElfError when it cannot be coded."""
    chosen = eligible(model)
    if method.name == "original":
        return model.path, _sizes(model, chosen, model.part(0).size, _stored_bytes(chosen))
    if method.name in BOUNDED:
        assert method.bound is not None
        return _elves(model, chosen, method, folder)
    return _roundtrip(model, chosen, ROUNDTRIPS[method.name], folder)


def _stored_bytes(chosen: Eligible) -> int:
    return sum(chosen.layout.ranges[number].size for number in chosen.numbers)


def _sizes(model: ModelFile, chosen: Eligible, bytes_out: int, bytes_eligible: int) -> Sizes:
    n_params = sum(tensor.n_params for tensor in model.tensors if tensor.alias_of is None)
    n_eligible = sum(chosen.stored[number].n_params for number in chosen.numbers)
    bytes_in = sum(int(model.part(part).size) for part in range(len(model.parts)))
    return Sizes(n_params, n_eligible, bytes_in, int(bytes_out), int(bytes_eligible))


def _elves(model: ModelFile, chosen: Eligible, method: Method, folder: Path) -> tuple[Path, Sizes]:
    """By Elves. As `elves`, its rule keeps tensors exact that the bound would damage; as `elf`, none is spared."""
    assert method.bound is not None
    target, total, payloads = _compressed(model, chosen, method.bound, folder, forced=method.name == "elf")
    path = folder / "restored" / model.path.name
    path.parent.mkdir()
    with elf.ElvesFile(target) as file:
        restore(file, path)
    return path, _sizes(model, chosen, total, payloads)


def _compressed(
    model: ModelFile, chosen: Eligible, bound: float, folder: Path, *, forced: bool
) -> tuple[Path, int, int]:
    """The Elves file, its bytes, and those of the eligible tensors' payloads in it."""
    target, own = folder / "model.elves", set(chosen.names)
    aliases = [tensor.name for tensor in model.tensors if tensor.alias_of in own]
    spared = [tensor.name for tensor in model.tensors if tensor.dtype in ("f16", "bf16")]
    lossy = [*map(_literal, [*chosen.names, *aliases])] if forced else []
    rule = Rule(bound=Bound("absolute", bound), lossy=tuple(lossy), keep=tuple(map(_literal, spared)))
    total = compress_file(model.path, target, rule=rule).bytes_out
    with elf.ElvesFile(target) as file:
        rows = {row.tensor.name: row.payload for _, row in file.index.ranges}
        payloads = {rows[name] for name in own}
        return target, total, sum(file.index.payloads[number] for number in payloads if number is not None)


def _literal(name: str) -> str:
    """A pattern that this name alone matches."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def _roundtrip(model: ModelFile, chosen: Eligible, method: Roundtrip, folder: Path) -> tuple[Path, Sizes]:
    """Eligible tensors one by one; what all other bytes cost is what they cost in an Elves file."""
    _, total, payloads = _compressed(model, chosen, 2.0**-24, folder, forced=True)
    spent = 0

    def ranges() -> Iterator[list[memoryview]]:
        nonlocal spent
        for number, tensor in enumerate(chosen.stored):
            values = _values(model, chosen.layout, chosen.stored, number)
            if number in chosen.numbers:
                size, values = method(values, tensor)
                spent += size
            yield [np.ascontiguousarray(values).view(np.uint8).data]

    path = folder / "restored" / model.path.name
    path.parent.mkdir()
    changed = [chosen.layout.ranges[number] for number in sorted(chosen.numbers)]
    join(path, chosen.layout, interleave(chosen.layout, skeleton(model, chosen.layout), ranges()), changed=changed)
    return path, _sizes(model, chosen, total - payloads + spent, spent)


def _cast(target: str) -> Roundtrip:
    """Rounded to a narrower float type, whose codes are then kept without loss."""

    def run(values: Values, tensor: Tensor) -> tuple[int, Values]:
        wide, narrow = LAYOUTS[tensor.dtype], LAYOUTS[target]
        codes = values.view(wide.unsigned)
        data = elf.encode(_in_parts(codes, lambda part: cast(part, wide, narrow)[0]), dtype=target, lossless=True)
        back = elf.decode(data).reshape(-1).view(narrow.unsigned)
        return len(data), _in_parts(back, lambda part: cast(part, narrow, wide)[0]).view(values.dtype)

    return run


def _in_parts(values: Values, function: Callable[[Values], Values]) -> Values:
    """Casting takes a few times the memory of what is cast."""
    return np.concatenate([function(values[start : start + _PART]) for start in range(0, values.size, _PART)])


def _integers(bits: int, *, by_channel: bool) -> Roundtrip:
    """Symmetric uniform integers, round(w / s) with s = max |w| / (2^(bits - 1) - 1), their codes kept without loss.

    One s a tensor; or one a channel, along the first or the last axis, whichever leaves the smaller squared error. The
    scales are f32 and are counted.
    """

    def run(values: Values, tensor: Tensor) -> tuple[int, Values]:
        array = values.reshape(tensor.shape)
        axes = dict.fromkeys((0, array.ndim - 1)) if by_channel else (None,)
        made = [_quantised(array, bits, axis) for axis in axes]
        size, restored, _ = min(made, key=lambda one: one[2])
        return size, restored.reshape(-1)

    return run


def _quantised(array: Values, bits: int, axis: int | None) -> tuple[int, Values, float]:
    """Coded bytes, restored values, squared error."""
    others = None if axis is None else tuple(i for i in range(array.ndim) if i != axis)
    top = 2 ** (bits - 1) - 1
    scale = (np.abs(array).max(axis=others, keepdims=True) / top).astype(np.float32)
    scale[scale == 0] = 1  # of a channel of zeros
    codes = np.clip(np.rint(array / scale), -top, top).astype(f"<i{bits // 8}")
    coded, scales = elf.encode(codes), elf.encode(scale, lossless=True)
    restored = (elf.decode(coded) * elf.decode(scales)).astype(array.dtype)
    return len(coded) + len(scales), restored, float(np.square(restored - array, dtype=np.float64).sum())


ROUNDTRIPS: dict[str, Roundtrip] = {
    "bf16": _cast("bf16"),
    "f16": _cast("f16"),
    "int16_tensor": _integers(16, by_channel=False),
    "int16_channel": _integers(16, by_channel=True),
    "int8_tensor": _integers(8, by_channel=False),
    "int8_channel": _integers(8, by_channel=True),
}
"""Methods that have no bound."""
