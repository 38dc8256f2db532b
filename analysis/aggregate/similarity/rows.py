"""Rows of the table `similarity`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.aggregate.similarity.kinship import Relations
from analysis.aggregate.similarity.study import Files, Matrix, Shingles
from analysis.similarity.sketches import SCHEMES, estimates

UNKNOWN_FROM = 0.5
"""A pair that was not counted has a row when LSH proposes it at this threshold: a large study has too many others."""


def rows(files: Files, relations: Relations, sets: Shingles, proposed_at: Matrix) -> pd.DataFrame:
    """One row a method and pair of which anything is above zero."""
    found = [_of_method(files, relations, sets, proposed_at, method) for method in sorted(sets.signatures)]
    return pd.concat(found, ignore_index=True)


def _of_method(files: Files, relations: Relations, sets: Shingles, proposed_at: Matrix, method: str) -> pd.DataFrame:
    estimated, exact, null = estimates(sets.signatures[method]), sets.exact(), sets.null()
    told = (estimated > 0) | (sets.shared > 0) | (null > 0)
    told = np.where(sets.known, told, proposed_at >= UNKNOWN_FROM)
    first, second = sets.pairs()
    i, j = first[told[first, second]], second[told[first, second]]
    n, of_pairs = files.kind.permutations, pd.DataFrame({"i": i, "j": j})
    jaccard, weighted = estimated[i, j], sets.weighted()
    return pd.DataFrame(
        {
            "granularity": sets.granularity,
            "shingle": sets.shingle,
            "method": method,
            "a": of_pairs["i"].map(dict(enumerate(files.names))),
            "b": of_pairs["j"].map(dict(enumerate(files.names))),
            "jaccard": jaccard,
            "standard_error": np.sqrt(jaccard * (1 - jaccard) / n),
            "jaccard_exact": exact[i, j],
            "jaccard_null": null[i, j],
            "jaccard_bytes": np.nan if weighted is None else weighted[i, j],
            "n_a": sets.sizes[i],
            "n_b": sets.sizes[j],
            "n_shared": pd.Series(sets.shared[i, j], dtype="Int64").where(sets.known[i, j]),
            "family_a": of_pairs["i"].map(dict(enumerate(files.families))),
            "family_b": of_pairs["j"].map(dict(enumerate(files.families))),
            "relation": [relations.name(*pair) for pair in zip(i, j, strict=True)],
            "proposed_at": proposed_at[i, j],
            "unit": sets.unit,
            "permutations": n,
            "scheme": SCHEMES[method],
            "seed": files.kind.seed,
            "method_version": files.version,
        }
    )
