"""Figures of restored models' accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.parts import COLOURS, QUIET
from analysis.results import Results
from analysis.views.accuracy import NAMES, labelled, shown

MARKS = {
    "elf": (COLOURS[0], "o"), "elves": (COLOURS[2], "D"), "bf16": (COLOURS[1], "s"), "f16": (COLOURS[3], "s"),
    "int16_tensor": (COLOURS[4], "^"), "int16_channel": (COLOURS[4], "v"), "int8_tensor": (COLOURS[5], "^"),
    "int8_channel": (COLOURS[5], "v"),
}  # fmt: skip
METRICS = {
    "word_accuracy": "word accuracy", "phoneme_error_rate": "phoneme error rate", "pearson_r": "Pearson's r",
    "exact_match": "exact match", "character_error_rate": "character error rate", "accuracy": "accuracy",
}  # fmt: skip
SHOWN = 6
"""Margins to either side of the original that an axis shows."""
TITLE = 46  # characters that fit over an axis


def metric_by_bits(results: Results) -> tuple[Figure, pd.DataFrame]:
    """The metric against bits a parameter of the whole file, with the 95 % interval of the paired difference.

    Dashed: the original model; grey: the margin within which a change counts as none, stated beforehand. An axis ends
    six margins from the original: a curve that leaves it goes on to fail, as the table tells.
    """
    data = labelled(results)
    charts = list(data.groupby(["task", "model", "metric"], sort=False))
    if not charts:
        return Figure(), data
    figure = _grid(charts)
    return figure, data[["task", "model", "metric", "method", "bits", "value", "low", "high", "verdict"]]


def _grid(charts: list[tuple[Any, pd.DataFrame]]) -> Figure:
    columns = min(2, len(charts))
    rows = -(-len(charts) // columns)
    figure = Figure(figsize=(7.2, 2.5 * rows + 0.9))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, ((task, model, metric), group) in zip(grid.flat, charts, strict=False):
        _curve(axes, group)
        axes.set_title(f"{task}: {model}"[:TITLE], fontsize=8)
        axes.set(ylabel=METRICS.get(metric, metric))
    for axes in list(grid.flat)[len(charts) :]:
        axes.remove()
    for axes in grid[-1]:
        axes.set(xlabel="bits a parameter")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, fontsize=8)
    return figure


def _curve(axes: Axes, group: pd.DataFrame) -> None:
    original = group[group["codec"] == "original"].iloc[0]
    value, margin = float(original["value"]), float(original["margin"])
    axes.axhspan(value - margin, value + margin, color=QUIET, alpha=0.5, linewidth=0)
    axes.axhline(value, color="#666666", linestyle="--", linewidth=1)
    for codec, (colour, mark) in MARKS.items():
        rows = group[group["codec"] == codec].sort_values("bits")
        low, high = rows["value"] - value - rows["low"], rows["high"] - (rows["value"] - value)
        spread = np.clip(np.array([low, high], np.float64), 0, None)
        line = "-" if codec == "elf" else "none"
        axes.errorbar(
            rows["bits"], rows["value"], yerr=spread, color=colour, marker=mark, linestyle=line, markersize=4,
            linewidth=1.2, elinewidth=0.8, label=NAMES[codec],
        )  # fmt: skip
    axes.set(xlim=(0, None), ylim=(value - SHOWN * margin, value + SHOWN * margin))


def drift_by_method(results: Results) -> tuple[Figure, pd.DataFrame]:
    """ONNX models before and after: each dot is one file's largest output drift, red where a decision flipped.

    Drift is absolute for outputs that are chances, else relative to the largest output. Bars are medians; the inputs
    are seeded and carry no labels. A file without any change is shown at the left edge.
    """
    data = shown(results)
    data = data[(data["task"] == "outputs") & (data["codec"] != "original")]
    if not len(data):
        return Figure(), data
    order = _methods(data)
    figure = Figure(figsize=(7.2, 0.9 + 0.26 * len(order)))
    axes = figure.subplots()
    for row, method in enumerate(order):
        group = data[data["method"] == method]
        drift = np.clip(group["max_drift"].to_numpy("float64"), 1e-8, 10)
        colours = np.where(group["n_flips"].to_numpy("int64") > 0, COLOURS[3], COLOURS[0])
        axes.scatter(drift, np.full(len(group), row), c=colours, s=14, alpha=0.75, linewidths=0)
        axes.plot([np.median(drift)] * 2, [row - 0.35, row + 0.35], color="#333333", linewidth=1.5)
        flipped = int((group["n_flips"] > 0).sum())
        axes.text(1.01, row, f"{flipped}/{len(group)}", transform=axes.get_yaxis_transform(), va="center", fontsize=7)
    axes.text(1.01, -1.0, "files that flip", transform=axes.get_yaxis_transform(), va="center", ha="center", fontsize=7)
    axes.set_yticks(range(len(order)), order, fontsize=8)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="largest drift of an output (1 = the largest output)", xlim=(0.7e-8, 15))
    return figure, data[["model", "file", "method", "n_decisions", "n_flips", "max_drift", "mean_drift", "bits"]]


def _methods(data: pd.DataFrame) -> list[str]:
    """In the order of NAMES, the tightest bound first."""
    place = {name: number for number, name in enumerate(NAMES)}
    rows = data[["method", "codec", "error_bound"]].drop_duplicates().assign(place=lambda one: one["codec"].map(place))
    return list(rows.sort_values(["place", "error_bound"])["method"])


FIGURES = {"metric_by_bits": metric_by_bits, "drift_by_method": drift_by_method}
