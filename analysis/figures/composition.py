"""Figures of deduplication and compression together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.parts import COLOURS, QUIET, legend_above, percent, said, stacked_bars
from analysis.results import Results
from analysis.views import composition as views

SAVING, COSTING = COLOURS[2], COLOURS[3]


def composition_matrix(results: Results) -> tuple[Figure, pd.DataFrame]:
    """What saves most: bytes in / bytes out over the study by order, unit and codec, all metadata counted.

    Of several cutting rules the best. Chunks @ file are cut from the file's start, chunks @ tensor anew at each tensor.
    Empty: the codec needs to know the type of what it codes.
    """
    data = views.matrix(results)
    if data.empty:
        return said("nothing was composed"), data
    figure = Figure(figsize=(7.6, 1.5 + 0.36 * len(data)))
    axes = figure.subplots()
    values = data.to_numpy("float64")
    image = axes.imshow(values, cmap="Blues", aspect="auto", vmin=1, vmax=float(np.nanmax(values)))
    middle = (1 + float(np.nanmax(values))) / 2
    for i, j in zip(*np.nonzero(~np.isnan(values)), strict=True):
        colour = "white" if values[i, j] > middle else "black"
        axes.text(j, i, f"{values[i, j]:.3f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(data.columns)), list(data.columns))
    axes.set_yticks(range(len(data)), list(data.index))
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="bytes in / bytes out", pad=0.02, shrink=0.9)
    return figure, data.reset_index()


def dedup_left(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Which compression destroys deduplication: the saving of content-defined chunks over the same files, uncoded and
    coded (kept bytes alone, identical files included; xet's sizes where measured).

    Layers that are coded one by one are moved together, and what lies between them in the file behind them.
    """
    data = views.survival(results)
    chosen = "xet @ file" if "xet @ file" in set(data["method"]) else data["method"].min()
    data = data[data["method"] == chosen]
    if data.empty:
        return said("nothing was composed"), data
    data = data.assign(name=data["codec"] + " of " + data["coded"] + "s").sort_values(["coded", "codec"])
    names, saved, places = _by_unit(data)
    figure = Figure(figsize=(6.6, 1 + 0.34 * len(names)))
    axes = figure.subplots()
    axes.barh(names, saved, color=places)
    most = max(*saved, 0.001)
    for place, value in enumerate(saved):
        axes.text(value + 0.01 * most, place, f"{100 * value:.2f} %", va="center", fontsize=8, color="#444444")
    axes.set_xlim(0, 1.15 * most)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"saving of chunks ({chosen}) over these bytes")
    percent(axes, "x")
    return figure, data


def _by_unit(data: pd.DataFrame) -> tuple[list[str], list[float], list[str]]:
    """Names, savings and colours of the bars: for each order of the bytes the uncoded ones first."""
    names, saved, colours = [], [], []
    for place, (unit, says) in enumerate((("file", "not coded"), ("layer", "not coded, layers moved together"))):
        moved = (data["coded"] == "layer") | (data["codec"] == "elves")  # an Elves file moves them, too
        rows = data[moved == (unit == "layer")]
        names += [says] * min(1, len(rows)) + list(rows["name"])
        saved += [*map(float, rows["before"].head(1)), *map(float, rows["after"])]
        colours += [QUIET] * min(1, len(rows)) + [COLOURS[place]] * len(rows)
    return names, saved, colours


def versions_together(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Versions and relatives: what the models of a family, and all of the study, take less in one store than each in a
    store of its own.
    """
    data = views.versions(results)
    if data.empty:
        return said("nothing was composed"), data
    names = [name for *_, name in views.TOGETHER if name in set(data["composition"])]
    families = sorted(data["family"].unique(), key=lambda family: (family == views.WHOLE, family))
    figure = Figure(figsize=(7.6, 1 + 0.2 * len(families) * (len(names) + 1)))
    axes = figure.subplots()
    height = 0.8 / len(names)
    for place, name in enumerate(names):
        rows = data[data["composition"] == name].set_index("family")["saving"].reindex(families)
        at = np.arange(len(families)) + (place - (len(names) - 1) / 2) * height
        axes.barh(at, rows, 0.9 * height, label=name, color=COLOURS[place])
        for y, value in zip(at, rows, strict=True):
            axes.text(max(value, 0), y, f" {100 * value:.2f} %", va="center", fontsize=7, color="#444444")
    axes.set_yticks(range(len(families)), families)
    axes.set_xlim(min(0.0, 1.05 * data["saving"].min()), max(0.01, 1.12 * data["saving"].max()))
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("1 - bytes in one store / bytes in a store for each model (recipes and index counted)")
    percent(axes, "x")
    legend_above(axes, 2)
    return figure, data


def waterfall(results: Results) -> tuple[Figure, pd.DataFrame]:
    """From bytes as stored to the best lossless total: what each step takes off what the steps above it left.

    Behind the bars the change in bytes and, in brackets, how much larger the total would be without this step.
    """
    data = views.waterfall(results)
    if data.empty:
        return said("no waterfall was measured"), data
    figure = Figure(figsize=(7.6, 1 + 0.36 * len(data)))
    axes = figure.subplots()
    sizes = data[["bytes", "left", "lost_without"]].astype("float64").to_numpy() / 1e6
    for place, (change, left, lost) in enumerate(sizes):
        _fall(axes, place, change, left, lost, is_step=0 < place < len(sizes) - 1)
    axes.set_yticks(range(len(data)), list(data["step"]))
    axes.set_xlim(0, 1.32 * sizes[0, 0])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("bytes (MB)")
    return figure, data


def _fall(axes: Axes, place: int, change: float, left: float, lost: float, *, is_step: bool) -> None:
    """One bar: a whole one, or the part that a step adds or takes off, with its number behind it."""
    if not is_step:
        axes.barh(place, change, color=COLOURS[0], height=0.7)
        axes.text(change, place, f" {change:,.2f} MB", va="center", fontsize=8)
        return
    colour = SAVING if change <= 0 else COSTING
    axes.barh(place, abs(change), left=min(left, left - change), color=colour, height=0.7)
    text = f" {change:+,.2f} ({lost:+,.2f})" if round(change, 2) or round(lost, 2) else " 0"
    axes.text(max(left, left - change), place, text, va="center", fontsize=8, color="#444444")


def waterfall_by_family(results: Results) -> tuple[Figure, pd.DataFrame]:
    """The same for each family with a store of its own, in percent of its bytes: what each step takes off, and what
    is left with its metadata.
    """
    data = views.waterfall(results, "family")
    if data.empty:
        return said("no waterfall was measured"), data
    steps = data[~data["step"].isin(["as stored", "metadata"])]
    order = list(dict.fromkeys(steps.sort_values("order")["step"]))
    table = steps.pivot_table(index="name", columns="step", values="share", aggfunc="sum").abs()[order[::-1]]
    metadata = data[data["step"] == "metadata"].set_index("name")["share"]
    table = table.rename(columns={order[-1]: "left"})
    table = table.loc[table["left"].sort_values().index]
    figure = stacked_bars(table, "share of the bytes as stored (the total is over 100 % by the metadata, less than "
                          f"{100 * float(np.ceil(1000 * metadata.max())) / 1000:.1f} %)")  # fmt: skip
    percent(figure.axes[0], "x")
    legend_above(figure.axes[0], 4)
    return figure, table.reset_index()


FIGURES = {
    "waterfall": waterfall,
    "waterfall_by_family": waterfall_by_family,
    "composition_matrix": composition_matrix,
    "dedup_left": dedup_left,
    "versions_together": versions_together,
}
