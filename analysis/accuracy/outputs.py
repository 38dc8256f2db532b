"""Every ONNX model of a study: what it gives for seeded inputs, before and after coding.

No labels: what counts is whether decisions stay. Where an output has classes (a last axis of two or more and values
that are no plain measurements), the decision is the largest of them; where all its values lie in [0, 1], whether each
is above one half; other outputs are measurements and have no decision, only drift. Drift is relative to the largest
magnitude of the original output. The authors' check on 261 models was of this kind; inputs here are seeded noise, not
data, so that many decisions are close calls: flips are an upper estimate of what real inputs would show.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.accuracy.base import Answers, Data, Drift, Metric, Point, Task
from analysis.accuracy.session import refused, session

RUNS = 8
SEED = 0
SIZES = {"frames": 100, "batch": 1, "sequence": 576, "channel": 3}
FREE = 64  # elements along an axis of any length

Array = NDArray[Any]


def answer(path: Path, original: Path, _: Data) -> Answers:
    """Both models on the same inputs, run after run."""
    model, before = session(path), session(original)
    made = Answers()
    n = flips = 0
    largest = total = count = 0.0
    for run in range(RUNS):
        given = inputs(before, run)
        decided = changed = 0
        for old, new in zip(_outputs(before, original, given), _outputs(model, path, given), strict=True):
            if old.dtype.kind != "f" or not old.size:
                continue
            apart = np.abs(new.astype(np.float64) - old) / (np.abs(old).max() or 1)
            largest, total, count = max(largest, float(apart.max())), total + float(apart.sum()), count + apart.size
            one, other = decisions(old), decisions(new, like=old)
            decided, changed = decided + one.size, changed + int(np.count_nonzero(one != other))
        if decided:
            made.points.append(Point("same_decisions", str(run), decided - changed, decided))
        n, flips = n + decided, flips + changed
    made.drift = Drift(n, flips, largest, total / max(count, 1))
    if not n:
        made.points.append(Point("same_decisions", "", 0, 0))
    return made


def _outputs(model: Any, path: Path, given: dict[str, Array]) -> list[Array]:
    try:
        return [np.asarray(one) for one in model.run(None, given)]
    except Exception as error:  # of the library's own kinds
        raise refused(path, error) from error


def decisions(output: Array, like: Array | None = None) -> Array:
    """What an output decides, as integers; empty when it decides nothing. `like` is the output that tells its kind."""
    kind = output if like is None else like
    if 0 <= kind.min() and kind.max() <= 1:
        if _sums_to_one(kind):
            return output.argmax(axis=-1).reshape(-1)
        return (output > 0.5).astype(np.int64).reshape(-1)
    return np.empty(0, np.int64)


def _sums_to_one(output: Array) -> bool:
    return output.ndim > 1 and output.shape[-1] > 1 and bool(np.allclose(output.sum(axis=-1), 1, atol=1e-3))


def inputs(model: Any, run: int) -> dict[str, Array]:
    """Seeded inputs by name: floats are normal noise, integers small counts, masks and scalars what they must be."""
    random = np.random.default_rng([SEED, run])
    return {given.name: _input(given.name, given.type, _shape(given), random) for given in model.get_inputs()}


def _shape(given: Any) -> tuple[int, ...]:
    """The shape that a model asks for; the first free axis is a batch of one, further ones are of `FREE` elements."""
    made = []
    for axis, size in enumerate(given.shape):
        if isinstance(size, int):
            made.append(size)
        elif axis == 0 and len(given.shape) > 1:
            made.append(1)
        else:
            made.append(FREE)
    return tuple(made)


def _input(name: str, kind: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if kind == "tensor(int64)":
        return _counts(name, shape, random)
    return random.normal(0, 1, shape).astype(np.float16 if kind == "tensor(float16)" else np.float32)


def _counts(name: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if name == "sr":  # a sampling rate
        return np.array(16000, np.int64)
    if "mask" in name:
        return np.ones(shape, np.int64)
    if "type" in name:
        return np.zeros(shape, np.int64)
    return random.integers(1000, 20000, shape)


TASK = Task(
    name="outputs",
    version=1,
    about="ONNX models on seeded noise: decisions that stay, drift of the outputs; no labels",
    models=(("*", "*.onnx"),),
    metrics=(Metric("same_decisions", 0.01, meaning="decisions that are the original's"),),
    answer=answer,
    libraries=("numpy", "onnxruntime"),
)
