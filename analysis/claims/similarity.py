"""What similarity detection says about claim A."""

from __future__ import annotations

from analysis.results import Results
from analysis.views.similarity import summary

ALIKE = 0.5


def similar_pairs(results: Results) -> tuple[str, str]:
    """How many pairs of files have at least half of their shingles in common, by shingle."""
    rows = summary(results, ALIKE)
    rows = rows[rows["shingle"] != "value"]
    if rows.empty:
        return "nothing was measured", ""
    alike = (rows["relatives alike"] + rows["strangers alike"]).astype(str)
    found = ", ".join(f"{shingle} {n}" for shingle, n in zip(rows["shingle"], alike, strict=True))
    pairs = int((rows["relatives"] + rows["strangers"]).max())
    strange = int(rows["strangers alike"].sum())
    note = f"exact Jaccard of at least {ALIKE:g}; of these pairs {strange} are of two families; a hand-picked set"
    return f"of {pairs:,} pairs of files alike by half: {found}", note


MEASURED = {"similar_pairs": similar_pairs}
