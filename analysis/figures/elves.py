"""Figures of Elves beside its peers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.parts import COLOURS, QUIET, legend_above, percent, said, stacked_bars
from analysis.results import Results
from analysis.views import elves as view
from elf.tensor import ROLES

METHOD_COLOURS = dict(zip((*view.BOUNDED, "int16", "int8"), COLOURS, strict=False))
NAMES = {
    "elves": "Elves",
    "quantized-pcodec": "pcodec over integers",
    "sz3": "SZ3",
    "elf-published": "published layout",
    "uniform": "uniform, packed",
    "zfp": "zfp",
    "bitround": "BitRound + zstd",
    "cast-bf16": "cast to bf16",
    "cast-f16": "cast to f16",
}
"""How methods are called in figures; others by their own name."""
MARKERS = {"cast-bf16": "s", "cast-f16": "D", "int8": "v", "int16": "^"}


def name(codec: str) -> str:
    """What figures and tables call a method."""
    return NAMES.get(codec, codec)


def elves_size_by_bound(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Bits a parameter of the eligible layers against the bound asked for, each method in its best setting; dashed, the
    entropy of the codes, below which no coder of single codes can go.
    """
    data = view.best(results)
    data = data[data["error_bound"].notna()].assign(bits=8 * data["bytes_out"] / data["n_params"])
    figure = Figure(figsize=(7.2, 3.8))
    axes = figure.subplots()
    for codec in [codec for codec in view.BOUNDED if codec in set(data["codec"])]:
        line = data[data["codec"] == codec].sort_values("error_bound")
        width = 4.0 if codec == "elves" else 1.5  # what lies over it stays visible, and it too
        axes.plot(
            line["error_bound"],
            line["bits"],
            "-o",
            color=METHOD_COLOURS[codec],
            label=name(codec),
            markersize=4,
            linewidth=width,
        )
    floor = view.floor(results)
    axes.plot(floor["error_bound"], floor["floor (corrected)"], "--", color="black", label="entropy", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="absolute error bound", ylabel="bits a parameter (f32 as stored: 32)", ylim=(0, None))
    legend_above(axes, 4)
    return figure, data[["codec", "setting", "error_bound", "bits", "bytes_in", "bytes_out", "n_params"]]


def elves_ratio_by_error(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Ratio of the whole study against the error measured on the eligible layers (RMS of the error over RMS of the
    values): lines over the bounds, markers for methods with an error of their own. Up and to the left is better.
    """
    data = view.best(results)
    data = data.assign(relative_error=data["rmse"] / data["rms"])
    figure = Figure(figsize=(7.2, 4.2))
    axes = figure.subplots()
    for codec in [*view.BOUNDED, *view.OWN]:
        line = data[data["codec"] == codec].sort_values("error_bound")
        if len(line):
            style = MARKERS.get(codec, "-o")
            colour = METHOD_COLOURS.get(codec, "black") if style == "-o" else "black"
            width = 4.0 if codec == "elves" else 1.5
            axes.plot(
                line["relative_error"],
                line["ratio_once"],
                style,
                color=colour,
                label=name(codec),
                markersize=4,
                linewidth=width,
            )
    axes.set(xscale="log", xlabel="RMS of the error / RMS of the values", ylabel="ratio, identical layers once")
    legend_above(axes, 4)
    return figure, data[["codec", "setting", "error_bound", "relative_error", "max_abs_error", "ratio", "ratio_once"]]


def elves_by_model(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Each model for itself at the published bound: Elves, Elves without loss, three peers at their best."""
    chosen = view.at(view.best(results), view.PUBLISHED)
    data = view.wholes(results, ("family", "model")).merge(chosen[view.METHOD], on=view.METHOD)
    wide = data.pivot_table(index="model", columns="codec", values="ratio", aggfunc="first")
    wide = wide[[codec for codec in ("elves", "sz3", "uniform", "elf-published") if codec in wide]]
    wide["lossless"] = _lossless(results).reindex(wide.index)
    wide = wide.sort_values("elves") if "elves" in wide else wide
    figure = Figure(figsize=(7.2, 1.1 + 0.24 * len(wide)))
    axes = figure.subplots()
    for codec, values in wide.items():
        colour = METHOD_COLOURS.get(str(codec), QUIET)
        axes.plot(values, np.arange(len(wide)), "o", color=colour, label=name(str(codec)), markersize=5, alpha=0.85)
    axes.set_yticks(np.arange(len(wide)), [str(model).replace("==", " ") for model in wide.index], fontsize=7)
    axes.set(xlabel="ratio of the model's files")
    legend_above(axes, 3)
    return figure, wide.reset_index()


def _lossless(results: Results) -> pd.Series:
    data = view.rows(results)
    sums = data[data["codec"].isin(["lossless", "container"])].groupby("model")[["bytes_in", "bytes_out"]].sum()
    return sums["bytes_in"] / sums["bytes_out"]


def elves_choices(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Which codec Elves chose for which bytes at the published bound, by the role of the layer: bytes as stored, and
    as coded.
    """
    data = view.chosen(results)
    shown = {}
    for role in [role for role in ROLES if role in set(data["role"])]:
        for column, label in (("bytes_in", "as stored"), ("bytes_out", "coded")):
            rows = data[data["role"] == role]
            shown[f"{role}, {label}"] = rows.set_index("codec")[column].astype("float64")
    table = pd.DataFrame(shown).T.fillna(0.0)
    table = table[table.sum().sort_values(ascending=False).index] if len(table) else table
    return stacked_bars(_few(table), "MB", scale=1e-6), data


def _few(table: pd.DataFrame, most: int = 8) -> pd.DataFrame:
    """The largest columns, and the rest as one."""
    if table.shape[1] <= most:
        return table
    return table.iloc[:, :most].assign(others=table.iloc[:, most:].sum(axis=1))


def elves_ablation(results: Results) -> tuple[Figure, pd.DataFrame]:
    """What each step of Elves brings at the published bound: the ratio with it alone, and how much larger the study
    gets without it. Steps that replace each other cost little when one is left out; lossy is elf and steps together.
    """
    data = view.steps(results).sort_values("ratio_alone", ascending=False, ignore_index=True)
    figure = Figure(figsize=(7.6, 1.0 + 0.24 * len(data)))
    left, right = figure.subplots(1, 2, sharey=True)
    place = np.arange(len(data))
    _bars(left, place, data["ratio_alone"], [f"{value:.3f}" for value in data["ratio_alone"]])
    left.axvline(1, color="black", linewidth=0.8)
    left.set_xlim(0.9, max(1.1, 1.15 * float(data["ratio_alone"].max())) if len(data) else 1)
    left.set_yticks(place, data["step"])
    left.invert_yaxis()
    left.set(xlabel="ratio, this step alone")
    grows = data["grows"].where(data["step"] != "all")
    _bars(right, place, grows, ["" if pd.isna(value) else f"{100 * value:.2f} %" for value in grows])
    right.set(
        xlabel="larger without it", xlim=(0, 1.3 * max(0.001, float(grows.max(skipna=True)))) if len(data) else (0, 1)
    )
    percent(right, "x")
    return figure, data


def _bars(axes: Axes, place: np.ndarray, values: pd.Series, texts: list[str]) -> None:
    axes.barh(place, values.fillna(0), 0.7, color=COLOURS[0])
    for where, value, text in zip(place, values.fillna(0), texts, strict=True):
        axes.text(value, where, f" {text}", va="center", fontsize=7, color="#444444")
    axes.grid(visible=False, axis="y")


def elves_destroyed(results: Results) -> tuple[Figure, pd.DataFrame]:
    """What loss does to each role at the published bound when no rule asks for the role: share of the values that are
    not zero and become zero.
    """
    data = view.by_role(results)
    data = data.assign(what=data["role"] + np.where(data["eligible"], " (eligible)", ""))
    data = data[data["n_nonzero"] > 0].sort_values("zeroed", ascending=False, ignore_index=True)
    if data.empty:
        return said("no f32 layers"), data
    figure = Figure(figsize=(6.4, 1.0 + 0.3 * len(data)))
    axes = figure.subplots()
    place = np.arange(len(data))
    _bars(axes, place, data["zeroed"], [f"{100 * value:.3g} %" for value in data["zeroed"]])
    axes.set_yticks(place, data["what"])
    axes.invert_yaxis()
    axes.set(
        xlabel="share of the nonzero values that become zero", xlim=(0, 1.25 * max(0.01, float(data["zeroed"].max())))
    )
    percent(axes, "x")
    return figure, data


FIGURES = {
    "elves_size_by_bound": elves_size_by_bound,
    "elves_ratio_by_error": elves_ratio_by_error,
    "elves_by_model": elves_by_model,
    "elves_choices": elves_choices,
    "elves_ablation": elves_ablation,
    "elves_destroyed": elves_destroyed,
}
