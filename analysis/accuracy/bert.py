"""A BERT encoder's forward pass in NumPy, as Devlin et al. (2019) describe it, from the tensors of its file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.accuracy.weights import Weights

Array = NDArray[np.float32]
HEAD = 32  # values of a head of the MiniLM models


def encode(model: Weights, tokens: list[int]) -> Array:
    """Hidden states of the last layer: f32, shape (tokens, width). Longer inputs than positions are the caller's."""
    states = model["embeddings.word_embeddings.weight"][tokens]
    states = states + model["embeddings.position_embeddings.weight"][: len(tokens)]
    states = _norm(model, "embeddings.LayerNorm", states + model["embeddings.token_type_embeddings.weight"][0])
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in model:
        states = _layer(model, f"encoder.layer.{layer}", states)
        layer += 1
    return states


def _layer(model: Weights, name: str, states: Array) -> Array:
    mixed = _linear(model, f"{name}.attention.output.dense", _attention(model, f"{name}.attention.self", states))
    states = _norm(model, f"{name}.attention.output.LayerNorm", mixed + states)
    inner = _gelu(_linear(model, f"{name}.intermediate.dense", states))
    return _norm(model, f"{name}.output.LayerNorm", _linear(model, f"{name}.output.dense", inner) + states)


def _attention(model: Weights, name: str, states: Array) -> Array:
    length, width = states.shape
    parts = [_linear(model, f"{name}.{part}", states).reshape(length, -1, HEAD) for part in ("query", "key", "value")]
    query, key, value = (part.transpose(1, 0, 2) for part in parts)
    scores = query @ key.transpose(0, 2, 1) / np.float32(HEAD**0.5)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    mixed: Array = (shares @ value).transpose(1, 0, 2).reshape(length, width)
    return mixed


def _linear(model: Weights, name: str, states: Array) -> Array:
    found: Array = states @ model[f"{name}.weight"].T + model[f"{name}.bias"]
    return found


def _norm(model: Weights, name: str, states: Array) -> Array:
    centred = states - states.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(1e-12))
    found: Array = scaled * model[f"{name}.weight"] + model[f"{name}.bias"]
    return found


def _gelu(values: Array) -> Array:
    """x times the normal distribution up to x; erf by Abramowitz and Stegun 7.1.26, within 1.5e-7."""
    size = np.abs(values) * np.float32(0.5**0.5)
    step = 1 / (1 + np.float32(0.3275911) * size)
    series = np.zeros_like(step)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(factor)) * step
    erf = np.copysign(1 - series * np.exp(-size * size), values)
    found: Array = values * np.float32(0.5) * (1 + erf)
    return found
