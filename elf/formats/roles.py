"""What a tensor is for, told from its name, type and shape, and from the tensors beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Protocol

from elf.tensor import DTYPES


class Named(Protocol):
    """What roles are told from; `role` is set where the file itself tells it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    role: str | None


def _pattern(*alternatives: str, start: str = r"(?:^|[./:_])", end: str = r"(?::\d+)?$") -> re.Pattern[str]:
    """Any of the alternatives as a part of a name, by default as its last part (TensorFlow adds `:0`)."""
    return re.compile(f"{start}(?:{'|'.join(alternatives)}){end}", re.IGNORECASE)


_PART = r"(?=[./:]|$)"
_OPTIMIZER = (
    _pattern(r"optim(?:izers?)?(?:_(?:state(?:_dict)?s?|weights))?", start=r"(?:^|[./])", end=_PART),
    _pattern("adam[wx]?", "adamax", "sgd", "rmsprop", "adagrad", "lamb", "lion", start=r"(?:^|[./])", end=_PART),
    _pattern("exp_avg(?:_sq)?", "exp_inf", "max_exp_avg_sq", "momentum_buffer", "square_avg", "acc_delta", "grad_avg"),
)
_SCALE = _pattern(
    r"zero_?points?", "q?zeros", "scales", "absmax", r"quant_(?:map|state)", "scb", "scale_inv",
    r"(?:weight|input|output|act|activation|\w*quant\w*|\w*proj|[kv])_scale", r"\w+_\d+_scale", r"weight[./]scale",
    start=r"(?:^|[./:_])",
)  # fmt: skip
_NORM_LEAF = _pattern("gamma", "beta", r"(?:running|moving)_(?:mean|var|variance)", "num_batches_tracked")
_NORM_PART = _pattern(
    r"(?:\w*[a-z_])?norm(?:s|alization|\dd)?(?:_?\d+)*", r"bn\d*(?:_\d+)*\w*", r"ln(?:_\w+|\d+)?",
    start=r"(?:^|[./:_])", end=_PART,
)  # fmt: skip
_STATISTIC = re.compile(r"(running|moving)_(mean|var)")
_BIAS = _pattern(r"bias(?:es)?\w*", "b", r"b_\w+", r"\w+_b")
_KERAS_SECOND = re.compile(r"/vars/[1-9]$")
_TABLE = _pattern(
    "inv_freq", "rope_freqs?", "position_ids", r"(?:attention_|attn_)?mask", r"filter_?bank", "mel_basis", "window",
    r"\w*buffer",
    end=_PART,
)  # fmt: skip


def role_of(name: str, dtype: str, shape: tuple[int, ...]) -> str:
    """One of `elf.tensor.ROLES` for a tensor of which only name, type and shape are known."""
    name = _ends(name)
    if any(pattern.search(name) for pattern in _OPTIMIZER):
        return "optimizer"
    if _NORM_LEAF.search(name):
        return "norm"
    if _SCALE.search(name):
        return "scale"
    if not _holds_parameters(dtype) or _TABLE.search(name):
        return "other"
    return _parameter_role(name, shape)


def _ends(name: str) -> str:
    """What is told of a long name is at its ends; the patterns take more than linear time."""
    return name if len(name) <= 200 else f"{name[:100]}.{name[-100:]}"


def _parameter_role(name: str, shape: tuple[int, ...]) -> str:
    if shape and sum(size > 1 for size in shape) <= 1:
        if _NORM_PART.search(name):
            return "norm"
        if _BIAS.search(name) or _KERAS_SECOND.search(name):
            return "bias"
    return "weight" if math.prod(shape) > 1 else "other"


def roles_of(tensors: Sequence[Named]) -> list[str]:
    """A role for each tensor; weight and bias beside running statistics, or both vectors, are a normalisation's."""
    normalised = _normalised_layers(tensors)
    return [tensor.role or _role_beside(tensor, normalised) for tensor in tensors]


def _role_beside(tensor: Named, normalised: set[str]) -> str:
    role = role_of(tensor.name, tensor.dtype, tensor.shape)
    beside = role in ("weight", "bias") and len(tensor.shape) == 1 and _layer(tensor.name)[0] in normalised
    return "norm" if beside else role


def _normalised_layers(tensors: Sequence[Named]) -> set[str]:
    """Layers with running statistics, and layers whose weight and bias are vectors of the same length."""
    found = set()
    vectors: dict[tuple[str, tuple[int, ...]], set[str]] = {}
    for tensor in tensors:
        layer, leaf = _layer(tensor.name)
        if _STATISTIC.match(leaf):
            found.add(layer)
        if len(tensor.shape) == 1:
            vectors.setdefault((layer, tensor.shape), set()).add(leaf)
    return found | {layer for (layer, _), leaves in vectors.items() if {"weight", "bias"} <= leaves}


def _layer(name: str) -> tuple[str, str]:
    layer, _, leaf = re.sub("[/:]", ".", name).rpartition(".")
    return layer, leaf


def _holds_parameters(dtype: str) -> bool:
    """Floats of every kind, and the narrow integers that quantised weights are stored in."""
    kind = DTYPES[dtype]
    return kind.is_float or kind.numpy is None or dtype in ("i8", "u8", "c64", "c128")
