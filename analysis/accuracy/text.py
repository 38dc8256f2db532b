"""Edit distance, for error rates."""

from __future__ import annotations

from collections.abc import Sequence


def edits(found: Sequence[str], wanted: Sequence[str]) -> int:
    """Levenshtein distance: insertions, deletions and substitutions, each counted as one."""
    row = list(range(len(wanted) + 1))
    for i, one in enumerate(found, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(wanted, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (one != other))
    return row[-1]
