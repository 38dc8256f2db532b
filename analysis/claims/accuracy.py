"""What restored models say about the claim of negligible accuracy loss."""

from __future__ import annotations

from analysis.results import Results
from analysis.text import NOTHING
from analysis.views.accuracy import shown

OWN = "elves 2^-24"


def elves_accuracy(results: Results) -> tuple[str, str]:
    """At Elf's own bound: the largest loss on labelled tasks, and decisions that flip in the others."""
    data = shown(results)
    rows = data[data["method"] == OWN]
    if not len(rows):
        return NOTHING, ""
    free = rows[rows["task"] == "outputs"]
    tested = rows[rows["task"] != "outputs"]
    found = []
    if len(tested):
        equal, unseen = int((tested["verdict"] == "equivalent").sum()), float(tested["smallest_detectable"].max())
        loss = max(0.0, float(tested["harm"].max()))
        found.append(
            f"within the margin on {equal} of {len(tested)} metrics with labels, at most {loss:.2g} worse "
            f"(a loss of {unseen:.2g} could go unseen)"
        )
    if len(free):
        flips, decisions = int(free["n_flips"].sum()), int(free["n_decisions"].sum())
        found.append(f"{flips} of {decisions:,} decisions of {int((free['n_decisions'] > 0).sum())} ONNX files flip")
    tasks = ", ".join(dict.fromkeys(tested["task"]))
    return "; ".join(found), f"bound 2^-24; tasks with labels: {tasks or 'none'}; intervals by task in the notebook"


MEASURED = {"elves_accuracy": elves_accuracy}
