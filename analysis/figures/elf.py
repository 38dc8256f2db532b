"""Figures of what Elf does to single tensors, from the tables that `python -m elf.demo` writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.figures import STYLE, Drawn
from analysis.figures.parts import COLOURS, QUIET, legend_above, percent

_FIELDS = {"sign": COLOURS[3], "exponent": COLOURS[1], "mantissa": COLOURS[0], "magnitude": COLOURS[2]}


Draw = Callable[[pd.DataFrame, list[str]], Figure]


def _drawn(function: Draw) -> Callable[[pd.DataFrame, list[str]], Drawn]:
    """In the style of all figures, with the docstring as its caption."""

    @wraps(function)
    def draw(data: pd.DataFrame, names: list[str]) -> Drawn:
        with mpl.rc_context(STYLE):
            return Drawn(function(data, names), data, " ".join((function.__doc__ or "").split()))

    return draw


@_drawn
def bit_fields(bits: pd.DataFrame, names: list[str]) -> Figure:
    """How predictable each bit is before and after: 0 for a bit that is always the same, 1 for a coin toss."""
    figure = Figure(figsize=(7.2, 1.5 * len(names) + 0.5), layout="constrained")
    for row, name in zip(
        figure.subplots(len(names), 2, sharey=True, squeeze=False, width_ratios=(32, 24)), names, strict=True
    ):
        for axes, stage in zip(row, ("f32", "elf"), strict=True):
            data = bits[(bits["name"] == name) & (bits["stage"] == stage)]
            places = np.arange(len(data))
            axes.bar(places, _entropy(data), color=data["field"].map(_FIELDS), width=0.9)
            axes.set(title=f"{name}: {'as float' if stage == 'f32' else 'as code'}", ylim=(0, 1.05))
            axes.set_xticks(places[::8], data["bit"].iloc[::8])
            axes.grid(visible=False, axis="x")
    figure.supylabel("entropy of the bit", fontsize=9)
    figure.supxlabel("bit, highest first (colours: sign, exponent, mantissa; magnitude)", fontsize=9)
    return figure


def _entropy(data: pd.DataFrame) -> NDArray[np.float64]:
    """Of each bit alone, in bits."""
    ones = (data["n_ones"] / data["n_params"]).to_numpy("float64")
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy: NDArray[np.float64] = -ones * np.log2(ones) - (1 - ones) * np.log2(1 - ones)
    return np.nan_to_num(entropy)


@_drawn
def error_distribution(errors: pd.DataFrame, names: list[str]) -> Figure:
    """Errors in units of the bound: over the whole range for weights, heaped up at 0 where values are small."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots()
    for colour, name in zip(COLOURS, names, strict=False):
        data = errors[errors["name"] == name]
        density = data["count"] / data["count"].sum()
        axes.stairs(density, [*data["low"], data["high"].max()], color=colour, label=name)
    axes.set(xlabel="error / bound", ylabel="share of the values", ylim=(0, None))
    percent(axes)
    legend_above(axes, 3)
    return figure


@_drawn
def size_by_error(bounds: pd.DataFrame, names: list[str]) -> Figure:
    """Bits a parameter against the error that was measured; dots are casts to 16 bits, coded without loss."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    for colour, name in zip(COLOURS, names, strict=False):
        data = bounds[bounds["name"] == name]
        relative, each = data["rms_error"] / data["rms"], 8 * data["bytes_out"] / data["n_params"]
        elf = data["method"] == "elf"
        axes.plot(relative[elf], each[elf], color=colour, label=name)
        for method, marker in (("f16", "s"), ("bf16", "o")):
            axes.plot(relative[data["method"] == method], each[data["method"] == method], marker, color=colour)
    axes.plot([], [], "s", color=QUIET, label="cast to f16")
    axes.plot([], [], "o", color=QUIET, label="cast to bf16")
    axes.axvline(2.0**-12, color=QUIET, linewidth=1)
    axes.set(xscale="log", xlabel="RMS of the error / RMS of the values", ylabel="bits a parameter")
    legend_above(axes, 3)
    return figure
