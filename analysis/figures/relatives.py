"""Figures of relatives: what they share bit by bit, and what deltas and resemblance make of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.parts import COLOURS, QUIET, legend_above, percent, said
from analysis.results import Results
from analysis.views import relatives as views

MOST = 40
"""Pairs in a figure: of more, those that come first."""

NO_PAIRS = "no two files of this study have most of their layers in common"


def relatives_cosine(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Which files with an architecture in common are relatives: the cosine of their weights, the parameters with all
    bits equal and the leading bytes that are equal, each beside chance (one side shuffled); closest first.
    """
    data = views.kinship(results)
    if data.empty:
        return said(NO_PAIRS), data
    shown = data.head(MOST)
    figure = Figure(figsize=(10.6, 1.3 + 0.19 * len(shown)))
    left, middle, right = figure.subplots(1, 3, sharey=True)
    columns = ((left, "cosine", "cosine of the weights"), (middle, "equal", "parameters equal in all bits"))
    for axes, column, label in (*columns, (right, "leading bytes", "leading equal bytes")):
        _beside_chance(axes, shown, column)
        axes.set_xlabel(label)
    _rows(left, list(shown["pair"]))
    middle.set_xscale("symlog", linthresh=1e-6)
    middle.set_xlim(-2e-7, 1)
    middle.set_xticks([0, 1e-4, 1e-2, 1])
    percent(middle, "x")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=8)
    return figure, data


def _beside_chance(axes: Axes, data: pd.DataFrame, column: str) -> None:
    place = np.arange(len(data))
    axes.plot(data[f"{column} by chance"], place, "|", color="#8a929b", markersize=9, label="by chance")
    axes.plot(data[column], place, "o", color=COLOURS[0], markersize=4, label="measured")


def _rows(axes: Axes, names: list[str]) -> None:
    """One line a pair, the first on top."""
    axes.set_yticks(range(len(names)), names, fontsize=6.5)
    axes.set_ylim(len(names) - 0.4, -0.6)


def relatives_bits(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Where in an f32 number relatives agree: each bit's share of equal parameters, between chance (0) and always (1);
    sign, exponent and mantissa from the highest bit down. Left white: equal whatever the pairing.
    """
    data = views.bit_agreement(results)
    if data.empty:
        return said("no two files with f32 layers in common differ in this study"), data
    shown = data.head(MOST)
    figure = Figure(figsize=(9.4, max(2.8, 1.5 + 0.19 * len(shown))))
    axes = figure.subplots()
    image = axes.imshow(shown.to_numpy("float64"), cmap="RdBu", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(shown)), shown.index, fontsize=6.5)
    axes.set_xticks([0, 4.5, 9, 15, 20, 25, 31], ["s", "exponent", "m22", "m16", "m11", "m6", "m0"], fontsize=7)
    for edge in (0.5, 8.5):
        axes.axvline(edge, color="black", linewidth=0.8)
    axes.grid(visible=False)
    axes.set_xlabel("bit: sign (s), exponent, mantissa (m)")
    bar = figure.colorbar(image, ax=axes, shrink=min(0.9, 3 / figure.get_figheight()), pad=0.02, fraction=0.04)
    bar.set_label("agreement beyond chance")
    return figure, data.reset_index()


def relatives_deltas(results: Results) -> tuple[Figure, pd.DataFrame]:
    """What a relative is worth: ratio of the layers that changed, coded alone (zstd, split) and against their match in
    the other file; the pair that gains most first.
    """
    data = views.delta_ratios(results)
    if data.empty:
        return said(NO_PAIRS), data
    shown = data.head(MOST)
    figure = Figure(figsize=(9.4, 1.3 + 0.19 * len(shown)))
    axes = figure.subplots()
    place = np.arange(len(shown))
    for name, style, colour in DELTA_STYLES:
        if name in shown:
            axes.plot(shown[name], place, style, color=colour, label=name, markersize=5, markerfacecolor="none")
    _rows(axes, list(shown["pair"]))
    axes.set_xlabel("ratio = bytes in / bytes out of the changed layers")
    legend_above(axes, 5)
    return figure, data


DELTA_STYLES = (
    ("zstd", "|", "#8a929b"),
    ("split", "o", COLOURS[0]),
    ("xor", "s", COLOURS[1]),
    ("difference", "^", COLOURS[2]),
    ("patch-from", "x", COLOURS[3]),
)


def pipeline_steps(results: Results) -> tuple[Figure, pd.DataFrame]:
    """A store like ZipLLM's, step by step: what it saves of the whole study, recipes and index counted."""
    data = views.pipeline(results)
    if data.empty:
        return said("no deltas were measured in this study"), data
    figure = Figure(figsize=(7.2, 2.6))
    axes = figure.subplots()
    data = data[data["step"] != "0 identity"]
    names = [step.partition(" ")[2] for step in data["step"]]
    axes.barh(names, data["saving"], color=[QUIET, QUIET, *COLOURS[:1] * len(names)][: len(names)], height=0.7)
    for place, (saving, added) in enumerate(zip(data["saving"], data["added"], strict=True)):
        axes.text(max(0, saving), place, f"  {100 * saving:.2f} % (+{100 * added:.2f})", va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(min(0.0, data["saving"].min()), 1.25 * max(0.01, data["saving"].max()))
    axes.set_xlabel("saving = 1 - bytes out / bytes in (in brackets: percent that the step adds)")
    axes.grid(visible=False, axis="y")
    percent(axes, "x")
    return figure, data


def resemblance_saving(results: Results) -> tuple[Figure, pd.DataFrame]:
    """What deltas between similar chunks add to deduplicated chunks under zstd, all metadata counted, by chunk size and
    way of finding them.
    """
    data = views.resemblance(results)
    if data.empty:
        return said("no chunks were compared in this study"), data
    figure = Figure(figsize=(7.2, 1.2 + 0.3 * len(data)))
    axes = figure.subplots()
    labels = [
        f"{chunking}: {LABELS[method]}" for chunking, method in zip(data["chunking"], data["method"], strict=True)
    ]
    axes.barh(labels, data["saving"], color=[METHOD_COLOURS[method] for method in data["method"]], height=0.7)
    columns = (data[name] for name in ("saving", "n_deltas", "n_unique"))
    for place, (saving, n_deltas, n_unique) in enumerate(zip(*columns, strict=True)):
        text = f"  {100 * saving:.2f} %" + (f" ({n_deltas:,} of {n_unique:,} chunks)" if n_deltas else "")
        axes.text(max(0, saving), place, text, va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(min(0.0, data["saving"].min()), 1.7 * max(0.01, data["saving"].max()))
    axes.set_xlabel("saving = 1 - bytes out / bytes in (in brackets: chunks kept as deltas)")
    axes.grid(visible=False, axis="y")
    percent(axes, "x")
    return figure, data


LABELS = {"none": "dedup, zstd", "n-transform": "+ deltas, n-transform", "odess": "+ deltas, odess"}
METHOD_COLOURS = {"none": QUIET, "n-transform": COLOURS[0], "odess": COLOURS[1]}

FIGURES = {
    "relatives_cosine": relatives_cosine,
    "relatives_bits": relatives_bits,
    "relatives_deltas": relatives_deltas,
    "resemblance_saving": resemblance_saving,
    "pipeline_steps": pipeline_steps,
}
