"""Figures of what parameters are like."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.parts import COLOURS, ROLE_COLOURS, legend_above, percent, said
from analysis.results import Results
from analysis.views import parameters as views
from elf.tensor import ROLES

PUBLISHED_SHARE = 0.9891
"""Of the parameters of 900 models in (-1, 1): dissertation record (results/paper/claims.csv)."""

LEAST = 1e-6
"""Share of a dtype's parameters below which an exponent is not drawn."""


def exponent_histogram(results: Results) -> tuple[Figure, pd.DataFrame]:
    """How large parameters are: share of each role's parameters by exponent, so that e stands for 2^e up to 2^(e + 1).

    Zeros, which have the lowest exponent of their type, are left out, and so are exponents of less than a millionth.
    """
    data = views.exponents(results, ["dtype", "role"])
    size = data.groupby(["dtype", "role"])["n"].transform("sum").astype("float64")
    data = data.assign(share=data["n"].astype("float64") / size)
    lowest = data["dtype"].map(views.LOWEST)
    shown = data[(data["share"] >= LEAST) & (data["exponent"] > lowest)]
    dtypes = data.groupby("dtype")["n"].sum().sort_values(ascending=False).index[:3]
    shown = shown[shown["dtype"].isin(dtypes)]
    if shown.empty:
        return said("this study has no floats"), shown
    figure = Figure(figsize=(7.6, 0.9 + 2 * len(dtypes)))
    panels = figure.subplots(len(dtypes), 1, sharex=True, squeeze=False)[:, 0]
    for axes, dtype in zip(panels, dtypes, strict=True):
        for role in ROLES:
            rows = shown[(shown["dtype"] == dtype) & (shown["role"] == role)]
            line = _with_gaps(rows.set_index("exponent")["share"])
            axes.plot(line.index, line, ".-", label=role, color=ROLE_COLOURS[role], linewidth=1.2)
        axes.axvline(-0.5, color="black", linewidth=0.8, linestyle=":")
        axes.set(yscale="log", ylabel=f"{dtype}: share")
    panels[-1].set_xlabel("exponent (left of the dotted line: within (-1, 1))")
    legend_above(panels[0], 6)
    return figure, shown


def _with_gaps(line: pd.Series) -> pd.Series:
    """The same with empty places for exponents that do not occur, so that nothing is drawn over them."""
    return line.reindex(range(int(line.index.min()), int(line.index.max()) + 1)) if len(line) else line


def exponent_entropy(results: Results) -> tuple[Figure, pd.DataFrame]:
    """How much an exponent field says: entropy of all exponents of a model in bits, beside the field's width.

    Models with the most float parameters first, at most 30; the dotted lines are the widths.
    """
    data = views.entropies(results, ["model", "dtype"]).sort_values(["n_params", "model"], ascending=[False, True])
    data = data.head(30)
    if data.empty:
        return said("this study has no floats"), data
    figure = Figure(figsize=(7.2, 1 + 0.25 * len(data)))
    axes = figure.subplots()
    colours = dict(zip(sorted(data["dtype"].unique()), COLOURS, strict=False))
    places = pd.Series(range(len(data)), index=data.index)
    for dtype, rows in data.groupby("dtype"):
        axes.barh(places[rows.index], rows["entropy_bits"], color=colours[dtype], label=str(dtype))
    for width in sorted(set(data["field_bits"])):
        axes.axvline(width, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(data)), [f"{model} {dtype}" for model, dtype in data[["model", "dtype"]].to_numpy()])
    axes.tick_params(axis="y", labelsize=7)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("bits a parameter")
    legend_above(axes)
    return figure, data


def in_unit_interval(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Share of the float parameters of each model in (-1, 1), every role; the line: published for another model set."""
    data = views.unit_interval(results, "model").sort_values(["in_unit_interval", "name"])
    data = data[data["n_params"] > 0].tail(40)
    if data.empty:
        return said("this study has no floats"), data
    figure = Figure(figsize=(7.2, 1 + 0.22 * len(data)))
    axes = figure.subplots()
    colours = dict(zip(sorted(data["dtype"].unique()), COLOURS, strict=False))
    places = pd.Series(range(len(data)), index=data.index)
    for dtype, rows in data.groupby("dtype"):
        axes.plot(rows["in_unit_interval"], places[rows.index], "o", color=colours[dtype], label=str(dtype))
    axes.axvline(PUBLISHED_SHARE, color="black", linewidth=0.8, linestyle=":", label="published: 98.91 %")
    axes.set_yticks(places, list(data["name"]), fontsize=7)
    axes.set_xlabel("share of float parameters in (-1, 1)")
    axes.grid(visible=False, axis="y")
    percent(axes, "x")
    legend_above(axes)
    return figure, data


def repeat_distances(results: Results) -> tuple[Figure, pd.DataFrame]:
    """How far back the same bit pattern last occurred: share of all parameters of a dtype at most so far back.

    What a curve lacks to 100 % occurs for the first time in its file. All tensors of a dtype in a file follow one
    another. Types with less than 1,000 parameters are left out.
    """
    data = views.repeats(results)
    data = data[data.groupby("dtype")["n"].transform("sum") >= 1000]
    near = data[data["log2_distance"] >= 0].sort_values(["dtype", "log2_distance"])
    near = near.assign(within=near.groupby("dtype")["share"].cumsum())
    if near.empty:
        return said("no parameter of this study occurs twice"), near
    figure = Figure(figsize=(6.6, 3.4))
    axes = figure.subplots()
    size = data.groupby("dtype")["n"].sum().sort_values(ascending=False)
    for colour, dtype in zip(COLOURS, size.index, strict=False):
        rows = near[near["dtype"] == dtype]
        label = f"{dtype} ({_count(int(size[dtype]))})"
        axes.step(rows["log2_distance"] + 1, rows["within"], where="post", color=colour, label=label)
    axes.set(xlabel="distance in parameters, at most 2 to the power of", ylabel="share of parameters", ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    percent(axes)
    legend_above(axes, 4)
    return figure, data


def _count(number: int) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number:,}"


def saved_wider(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Models saved wider than trained: share of the nonzero f32 and f64 parameters that a 16-bit float holds exactly.

    Models of which it holds less than 0.1 % are left out.
    """
    data = views.saved_wider(results)
    best = data[["f16_exact", "bf16_exact"]].max(axis=1)
    data = data[best >= 0.001].assign(best=best).sort_values(["best", "name"])
    if data.empty:
        return said("16 bits hold less than 0.1 % of the f32 parameters of every model"), data
    figure = Figure(figsize=(7.2, 1 + 0.3 * len(data)))
    axes = figure.subplots()
    place = np.arange(len(data))
    axes.barh(place - 0.19, data["f16_exact"], 0.36, label="by f16", color=COLOURS[0])
    axes.barh(place + 0.19, data["bf16_exact"], 0.36, label="by bf16", color=COLOURS[1])
    axes.set_yticks(place, [f"{name} {dtype}" for name, dtype in data[["name", "dtype"]].to_numpy()], fontsize=7)
    axes.set_xlabel("share of nonzero parameters held exactly")
    axes.grid(visible=False, axis="y")
    percent(axes, "x")
    legend_above(axes)
    return figure, data


FIGURES = {
    "exponent_histogram": exponent_histogram,
    "exponent_entropy": exponent_entropy,
    "in_unit_interval": in_unit_interval,
    "saved_wider": saved_wider,
    "repeat_distances": repeat_distances,
}
