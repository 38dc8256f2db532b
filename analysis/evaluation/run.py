"""One part of the measure `elves` on one file."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from analysis.evaluation.coded import peer_rows
from analysis.evaluation.floor import floor_rows
from analysis.evaluation.inputs import INPUTS, input_rows
from analysis.evaluation.methods import OWN, PUBLISHED, package_of
from analysis.evaluation.ours import elves_rows, forced_rows, lossless_rows
from analysis.evaluation.steps import steps_rows
from analysis.evaluation.subject import Subject, subject_of
from analysis.measure import Emit
from elf.formats.base import ModelFile

Part = Callable[[Subject, int, Emit], None]

OURS: dict[str, Part] = {
    "lossless": lambda subject, _, emit: lossless_rows(subject, emit),
    "elves": elves_rows,
    "everything": forced_rows,
    "steps": steps_rows,
    "floor": floor_rows,
}


def run_part(model: ModelFile, method: str, step: int, emit: Emit) -> None:
    """Emit the tables of one method at one bound."""
    if method in OURS:
        OURS[method](subject_of(model), step, emit)
        return
    if step in (OWN, PUBLISHED):
        emit("inputs", pa.Table.from_pylist(input_rows(method), schema=INPUTS))
    if package_of(method)[1] is not None:
        peer_rows(subject_of(model), method, step, emit)
