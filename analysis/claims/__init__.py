"""The published claims beside what this study measures: paper | ours | where.

`results/paper/claims.csv` holds what is published, with its source; each names one of
MEASURED, a function in the file of its topic. Nothing here is the paper's beyond that file.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from analysis.claims import accuracy, compression, dedup, elves, similarity
from analysis.places import PROJECT
from analysis.results import Results

CLAIMS = PROJECT / "results" / "paper" / "claims.csv"


TOPICS = (dedup, similarity, compression, elves, accuracy)
MEASURED: dict[str, Callable[[Results], tuple[str, str]]] = {
    name: function for topic in TOPICS for name, function in topic.MEASURED.items()
}
"""Each gives our value and what it stands on."""


def claims(results: Results) -> pd.DataFrame:
    """One row a claim: claim, paper, source, ours, where (the notebook that shows it), note."""
    published = pd.read_csv(CLAIMS, dtype=str, keep_default_na=False)
    rows = []
    columns = [published[name] for name in ("what", "published", "source", "measure", "notebook")]
    for what, value, source, measure, notebook in zip(*columns, strict=True):
        ours, note = MEASURED[measure](results)
        rows.append([what, value, source, ours, f"notebooks/{notebook}.ipynb", note])
    return pd.DataFrame(rows, columns=pd.Index(["claim", "paper", "source", "ours", "where", "note"]))
