"""What several figures share: colours and kinds of axes."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elf.tensor import ROLES

COLOURS = ("#33608c", "#d9822b", "#4f9a5d", "#b04a5a", "#7d6bb0", "#8a6d4f", "#c77fa8", "#7a8794", "#b3a837", "#45a3b5")
"""Told apart in print and by colour-blind readers; used in this order."""
QUIET = "#c9ced4"
REST = "not in a tensor"
ROLE_COLOURS = dict(zip(ROLES, COLOURS, strict=False)) | {REST: QUIET}
"""A role has the same colour in every figure."""


def said(text: str) -> Figure:
    """A figure that has nothing to show and says so."""
    figure = Figure(figsize=(6, 1.2))
    figure.text(0.5, 0.55, text, ha="center", va="center", fontsize=11, color="#666666")
    return figure


def stacked_bars(data: pd.DataFrame, label: str, *, rows: str = "", scale: float = 1.0) -> Figure:
    """One horizontal bar a row of `data`, one piece a column, the first row on top; `rows` says what the rows are."""
    figure = Figure(figsize=(7.2, 0.9 + 0.27 * len(data)))
    axes = figure.subplots()
    left = pd.Series(0.0, index=data.index)
    for colour, name in zip(_colours(data), data.columns, strict=True):
        width = data[name].astype("float64") * scale
        axes.barh(data.index, width, left=left, label=str(name), color=colour, height=0.72)
        left += width
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set(xlabel=label, ylabel=rows)
    legend_above(axes)
    return figure


def legend_above(axes: Axes, columns: int = 5, title: str | None = None) -> None:
    """A legend over the axes, where it hides nothing."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.01), ncols=columns, fontsize=8, title=title, title_fontsize=8
        )


def _colours(data: pd.DataFrame) -> list[str]:
    """Roles have their own; other columns take the colours in order."""
    return [ROLE_COLOURS.get(str(name), COLOURS[i % len(COLOURS)]) for i, name in enumerate(data.columns)]


def percent(axes: Axes, which: str = "y") -> None:
    """Show an axis of shares in percent."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
