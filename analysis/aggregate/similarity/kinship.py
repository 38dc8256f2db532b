"""Who is related to whom, and how well a similarity tells: AUROC over known pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.aggregate.similarity.study import Files, Matrix, Shingles
from analysis.shard_index import ShardIndex
from analysis.similarity.sketches import estimates

ARCHITECTURE, FAMILY, STRANGER = "architecture", "family", "stranger"
SAME_LAYOUT = 0.5
"""Share of the larger file's parameters in tensors that both have by name, dtype and shape."""

Pairs = NDArray[np.bool_]


@dataclass(frozen=True)
class Relations:
    """For each pair i < j: whether the study says one family, and whether the files also have one architecture."""

    family: Pairs
    architecture: Pairs

    def name(self, i: int, j: int) -> str:
        """The relation of a pair, as in the tables."""
        return ARCHITECTURE if self.architecture[i, j] else FAMILY if self.family[i, j] else STRANGER


def relations(index: ShardIndex, files: Files) -> Relations:
    """From the families of the study and the pairs that were compared."""
    names = np.array(files.families)
    family = names[:, None] == names[None, :]
    alike = np.zeros(family.shape, np.bool_)
    for row in index.group_rows("equal_parameters", "equal").to_dict("records"):
        a, b = (files.numbers.get((row[f"model_{side}"], row[f"file_{side}"])) for side in "ab")
        if a is not None and b is not None:
            alike[min(a, b), max(a, b)] = _same_layout(row)
    return Relations(family, family & alike)


def _same_layout(row: dict[Any, Any]) -> bool:
    return bool(row["n_same_layout"] >= SAME_LAYOUT * max(row["n_a"], row["n_b"], 1))


def scores(relations: Relations, sets: Shingles) -> Iterator[dict[str, object]]:
    """Rows of `kinship`."""
    first, second = sets.pairs()
    known = sets.known[first, second]
    first, second = first[known], second[known]
    strangers = ~relations.family[first, second]
    for relation, pairs in ((FAMILY, relations.family), (ARCHITECTURE, relations.architecture)):
        for method, matrix in _scored(sets).items():
            score = matrix[first, second]
            yield {
                "shingle": sets.shingle,
                "method": method,
                "relation": relation,
                "n_files": int(np.count_nonzero(sets.sizes)),
                **_told(score[pairs[first, second]], score[strangers]),
            }


def _scored(sets: Shingles) -> dict[str, Matrix]:
    """Every score of a pair, by its name."""
    exact, null, weighted = sets.exact(), sets.null(), sets.weighted()
    made = {method: estimates(signatures) for method, signatures in sorted(sets.signatures.items())}
    made |= {"exact": exact, "null": null, "excess": exact - null}
    return made if weighted is None else made | {"bytes": weighted}


def _told(relatives: NDArray[np.float64], strangers: NDArray[np.float64]) -> dict[str, object]:
    return {
        "n_relatives": relatives.size,
        "n_strangers": strangers.size,
        "n_relatives_above_zero": int((relatives > 0).sum()),
        "n_strangers_above_zero": int((strangers > 0).sum()),
        "auroc": auroc(relatives, strangers),
    }


def auroc(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> float:
    """The chance that a positive scores above a negative, ties half: Mann-Whitney's U over its largest value.

    NaN when either kind is missing.
    """
    if not positives.size or not negatives.size:
        return float("nan")
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return float(below.sum() / (2 * positives.size * negatives.size))
