"""Every ONNX model of a study: what it gives for seeded inputs, before and after coding.

No labels: what counts is whether decisions stay. An output whose values all lie in [0, 1] decides: the largest of each
last axis where these sum to one, else whether each is above one half. Other outputs are measurements and have no
decision, only drift. Drift is absolute where an output decides, else relative to the largest magnitude of the original
output. The authors' check on 261 models was of this kind; inputs here are rendered words, tones like a voice, random
words and noise, not data, so that what is shown is how far outputs move, not how good a model is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.accuracy.base import Answers, Data, Drift, Metric, Point, Task
from analysis.accuracy.ocr import facts, images
from analysis.accuracy.session import refused, session
from elf.errors import ElfError

RUNS = ((1 << 12, 64), (1 << 16, 8))
"""Elements of all inputs together, and how many inputs where there are fewer."""
RUNS_LARGE = 2
SEED = 0
FREE = 64
"""Elements along an axis of any length that is none of the below."""
SAMPLES = 576
PICTURES = ((96, 192), (48, 192))
"""Heights and widths to be tried for pictures of any size, until the model takes one."""
RATE = 16000

Array = NDArray[Any]


def answer(path: Path, original: Path, _: Data) -> Answers:
    """Both models on the same inputs, run after run."""
    after, made, total = session(path), Answers(), _Total()
    for run, (given, old) in enumerate(_original(original, original.stat().st_mtime_ns)):
        decided, changed = total.add(old, _outputs(after, path, given))
        if decided:
            made.points.append(Point("same_decisions", str(run), decided - changed, decided))
    made.drift = Drift(total.decided, total.changed, total.largest, total.apart / max(total.count, 1))
    return made


@lru_cache(maxsize=1)
def _original(path: Path, _: int) -> list[tuple[dict[str, Array], list[Array]]]:
    """Inputs and what the original makes of them; remembered, as the next unit is mostly of the same file."""
    model = session(path)
    size = _picture(model, path)
    first = inputs(model, 0, size)
    elements = sum(given.size for given in first.values())
    runs = next((runs for limit, runs in RUNS if elements < limit), RUNS_LARGE)
    every = [inputs(model, run, size) for run in range(runs)]
    return [(given, _outputs(model, path, given)) for given in every]


@dataclass
class _Total:
    """Over all outputs of all runs so far."""

    decided: int = 0
    changed: int = 0
    largest: float = 0.0
    apart: float = 0.0
    count: int = 0

    def add(self, before: list[Array], after: list[Array]) -> tuple[int, int]:
        """One run's outputs; how many decisions they make and how many of them changed."""
        decided = changed = 0
        for old, new in zip(before, after, strict=True):
            if old.dtype.kind != "f" or not old.size:
                continue
            apart = np.abs(new.astype(np.float64) - old) / (1 if _is_chance(old) else np.abs(old).max() or 1)
            apart = np.nan_to_num(apart, nan=np.inf)
            self.largest = max(self.largest, float(apart.max()))
            self.apart += float(apart.sum())
            self.count += apart.size
            one, other = decisions(old), decisions(new, like=old)
            decided, changed = decided + one.size, changed + int(np.count_nonzero(one != other))
        self.decided, self.changed = self.decided + decided, self.changed + changed
        return decided, changed


def _outputs(model: Any, path: Path, given: dict[str, Array]) -> list[Array]:
    try:
        return [np.asarray(one) for one in model.run(None, given)]
    except Exception as error:  # of the library's own kinds
        raise refused(path, error) from error


def decisions(output: Array, like: Array | None = None) -> Array:
    """What an output decides, as integers; empty when it decides nothing. `like` is the output that tells its kind."""
    kind = output if like is None else like
    if not _is_chance(kind):
        return np.empty(0, np.int64)
    if kind.ndim > 1 and kind.shape[-1] > 1 and np.allclose(kind.sum(axis=-1), 1, atol=1e-3):
        return np.asarray(output.argmax(axis=-1)).reshape(-1)
    return (output > 0.5).astype(np.int64).reshape(-1)


def _is_chance(output: Array) -> bool:
    return bool(output.min() >= 0 and output.max() <= 1)


def _picture(model: Any, path: Path) -> tuple[int, int]:
    """The first size of pictures that the model takes. Raises ElfError when it takes none of these inputs."""
    for size in PICTURES:
        try:
            _outputs(model, path, inputs(model, 0, size))
        except ElfError:
            if size == PICTURES[-1]:
                raise
        else:
            return size
    raise AssertionError


def inputs(model: Any, run: int, size: tuple[int, int] = PICTURES[0]) -> dict[str, Array]:
    """Seeded inputs by name, of the shapes and types that the model asks for."""
    random = np.random.default_rng([SEED, run])
    return {given.name: _input(given.name, given.type, _shape(given, size), random) for given in model.get_inputs()}


def _shape(given: Any, size: tuple[int, int]) -> tuple[int, ...]:
    """A batch of one where it is free; pictures of `size`; `SAMPLES` of sound; further free axes of `FREE` elements."""
    asked = [axis if isinstance(axis, int) else None for axis in given.shape]
    if len(asked) == 4 and asked[1:] == [3, None, None]:
        return (1, 3, *size)
    free = SAMPLES if len(asked) == 2 and given.name == "input" else 1 if given.name == "state" else FREE
    return tuple((1 if place == 0 and len(asked) > 1 else free) if axis is None else axis
                 for place, axis in enumerate(asked))  # fmt: skip


def _input(name: str, kind: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if kind == "tensor(int64)":
        return _counts(name, shape, random)
    dtype = np.float16 if kind == "tensor(float16)" else np.float32
    if len(shape) == 4 and shape[1] == 3 and shape[2:] in PICTURES:
        return _word(shape, random).astype(dtype)
    if len(shape) == 2 and shape[1] >= SAMPLES:
        return _voice(shape, random).astype(dtype)
    return random.normal(0, 1, shape).astype(dtype)


def _word(shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """A rendered word on paper, as the task `ocr` draws them."""
    canvas = np.full(shape, 0.7) + random.normal(0, 0.05, shape)
    word = images()[int(random.integers(len(images())))][:, :, : shape[3]]
    canvas[0, :, : word.shape[1], : word.shape[2]] = word
    return canvas


def _voice(shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Harmonics of a pitch that a voice may have, swelling and fading, with some noise."""
    time, pitch = np.arange(shape[1]) / RATE, random.uniform(90, 250)
    tone = sum(np.sin(2 * np.pi * pitch * order * time) / order for order in range(1, 20))
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(2, 5) * time + random.uniform(0, 6))
    return 0.1 * swell * tone + random.normal(0, 0.01, shape)


def _counts(name: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if name == "sr":  # the sampling rate of sound
        return np.array(RATE, np.int64)
    if "mask" in name:
        return np.ones(shape, np.int64)
    if "type" in name:
        return np.zeros(shape, np.int64)
    return random.integers(1000, 20000, shape)  # words of BERT's vocabulary


TASK = Task(
    name="outputs",
    version=1,
    about="ONNX models on seeded inputs: decisions that stay, drift of the outputs; no labels",
    models=(("*", "*.onnx"),),
    metrics=(Metric("same_decisions", None, meaning="decisions that are the original's"),),
    answer=answer,
    libraries=("numpy", "onnxruntime"),
    facts=facts,
)
