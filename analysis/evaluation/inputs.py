"""What a peer makes of input that is no ordinary weight: the same few values for every peer, whatever the study."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.evaluation.coded import CAUGHT, bound_of, coded
from analysis.evaluation.errors import errors
from analysis.evaluation.methods import METHODS, OWN, OWN_BOUND, PUBLISHED, package_of
from elf.codecs.peers.base import Peer

INPUTS = pa.schema(
    [
        ("codec", pa.string()),
        ("input", pa.string()),
        ("package", pa.string()),
        ("version", pa.string()),  # empty: not installed
        ("outcome", pa.string()),  # kept, refused, broken, failed or not installed
        ("detail", pa.string()),
    ]
)

_COUNT = 64


def samples() -> dict[str, NDArray[np.float32]]:
    """One value, or one kind of value among 63 ordinary weights."""
    odd: dict[str, float] = {
        "ordinary weights": 0.01,
        "NaN": np.nan,
        "infinity": np.inf,
        "negative zero": -0.0,
        "subnormal": 1e-40,
        "largest float": float(np.finfo(np.float32).max),
    }
    weights = (np.random.default_rng(0).standard_normal(_COUNT) * 0.05).astype(np.float32)
    made = {name: weights.copy() for name in odd}
    for name, value in odd.items():
        made[name][_COUNT // 2] = value
    return made | {"one element": weights[:1], "all zero": np.zeros(_COUNT, np.float32)}


def input_rows(method: str) -> list[dict[str, object]]:
    """One row for each sample; one row that says so when the peer is not installed."""
    package, version = package_of(method)
    about: dict[str, object] = {"codec": method, "package": package, "version": version or ""}
    if version is None:
        return [about | {"input": "", "outcome": "not installed", "detail": f"pip install {package} adds it"}]
    step = OWN if method in OWN_BOUND else PUBLISHED
    codec = METHODS[method](step)[0].codec
    return [
        about | {"input": name, "outcome": outcome, "detail": detail}
        for name, values in samples().items()
        for outcome, detail in [_outcome(codec, values, step)]
    ]


def _outcome(codec: Peer, values: NDArray[np.float32], step: int) -> tuple[str, str]:
    try:
        made = coded(codec, values, "f32")
    except CAUGHT as error:
        return "failed", f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    if made is None:
        return "refused", "left as it is"
    found = errors(values, made[1], "f32", bound_of(step))
    worst = int(np.argmax(_distance(values, made[1])))
    became = f"{values[worst]:.4g} became {made[1][worst]:.4g}"
    if found.n_beyond or found.max_abs_error == np.inf:
        return "broken", became
    return "kept", "every bit" if not found.n_changed else f"largest error {found.max_abs_error:.3g}"


def _distance(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        distance = np.abs(before.astype(np.float64) - after.astype(np.float64))
    same = before.view(np.uint32) == after.view(np.uint32)
    return np.where(same, 0, np.nan_to_num(distance, nan=np.inf))
