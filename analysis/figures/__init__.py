"""All plotting: a figure is a function from a study's tables to a drawing and the data it shows.

Notebooks call these functions, `python -m analysis figures` writes each as SVG, PNG and CSV. One more figure is one
more function in the file of its topic, and one line in that file's FIGURES.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import (
    accuracy,
    composition,
    compression,
    dedup,
    elves,
    inventory,
    parameters,
    relatives,
    similarity,
)
from analysis.figures.parts import said
from analysis.results import Results
from analysis.tables import TABLES, write_atomically

VERSION = 2
"""Raised when the same tables lead to other drawings."""


@dataclass(frozen=True)
class Drawn:
    """A figure, the data it shows and what it says."""

    figure: Figure
    data: pd.DataFrame
    caption: str

    def _repr_png_(self) -> bytes:
        return rendered(self.figure, "png")


Draw = Callable[[Results], tuple[Figure, pd.DataFrame]]

TOPICS = (inventory, dedup, similarity, relatives, compression, parameters, composition, elves, accuracy)
FIGURES: dict[str, Draw] = {name: function for topic in TOPICS for name, function in topic.FIGURES.items()}
"""Every figure by its name, in the order of the report."""


def draw(name: str, results: Results) -> Drawn:
    """Draw one figure by its name; one that has nothing to show says so."""
    with mpl.rc_context(STYLE):
        figure, data = _shown(FIGURES[name], results)
        foot = 0.2 / figure.get_figheight()
        figure.set_layout_engine("constrained", rect=(0, foot, 1, 1 - foot))
        figure.text(
            0.995, 0.005, f"{results.study}: {results.coverage}", ha="right", va="bottom", fontsize=7, color="#666666"
        )
    return Drawn(figure, data, caption(name))


def _shown(function: Draw, results: Results) -> tuple[Figure, pd.DataFrame]:
    if results.bytes == 0:
        return said("nothing was measured"), pd.DataFrame()
    figure, data = function(results)
    return (figure if len(data) else said("this study has nothing of this kind")), data


def caption(name: str) -> str:
    """What a figure says: the docstring of the function that draws it."""
    return " ".join((FIGURES[name].__doc__ or "").split())


STYLE: Any = {
    "figure.dpi": 110,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "elves",
    "svg.fonttype": "path",
}


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as `svg` or `png`; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def write_figures(results: Results, folder: Path) -> bool:
    """Write every figure as SVG and PNG with its data as CSV. Returns whether there was anything new to draw."""
    stamp = {"version": VERSION, "matplotlib": mpl.__version__, "figures": sorted(FIGURES), "tables": _digest(results)}
    path = folder / ".drawn.json"
    wanted = [folder / f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png", "csv")]
    if all(file.exists() for file in [path, *wanted]) and json.loads(path.read_bytes()) == stamp:
        return False
    for name in FIGURES:
        drawn = draw(name, results)
        for kind in ("svg", "png"):
            write_atomically(folder / f"{name}.{kind}", rendered(drawn.figure, kind))
        write_atomically(folder / f"{name}.csv", drawn.data.to_csv(index=False, float_format="%.9g").encode())
    write_atomically(path, json.dumps(stamp).encode())
    return True


def _digest(results: Results) -> str:
    state = hashlib.sha256()
    for table in TABLES.values():
        state.update((results.folder / table.file).read_bytes())
    return state.hexdigest()
