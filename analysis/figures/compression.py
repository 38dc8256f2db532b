"""Figures of lossless coding."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from analysis.figures.parts import COLOURS, QUIET, legend_above
from analysis.results import Results
from analysis.views import compression as views

NOTHING = pd.DataFrame()
RATIO = "ratio = bytes in / bytes out"
TICKS = (0.5, 0.7, 1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100)


def coding_by_method(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Whole stores of the study by the best setting of each method, everything counted: all bytes together, the median
    model, and the range when one family is left out.

    Methods of layers leave other dtypes and what is in no layer to zstd 3.
    """
    data = views.overall(views.stores(results))
    data = data[~data["codec"].isin(views.NOT_COMPARED)]
    data = data.drop_duplicates(["granularity", "transform", "codec"])  # the best setting comes first
    data = data.sort_values("ratio", ascending=False, ignore_index=True)
    figure = Figure(figsize=(7.6, 1.2 + 0.2 * max(4, len(data))))
    axes = figure.subplots()
    place = np.arange(len(data))
    axes.hlines(place, data["least"], data["most"], color=QUIET, linewidth=3, label="one family left out")
    axes.plot(data["ratio"], place, "o", color=COLOURS[0], markersize=4, label="all bytes")
    axes.plot(data["median"], place, "|", color=COLOURS[1], markersize=8, label="median model")
    axes.set_yticks(place, data["granularity"].map(views.unit) + ": " + data["method"], fontsize=7)
    axes.set_ylim(max(1, len(data)) - 0.5, -0.5)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel(RATIO)
    legend_above(axes)
    return figure, data


def coding_by_model(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Cumulative share of the models by ratio: zstd 3 at every granularity and chunk size, what the Hub does, and
    methods on layers.
    """
    data = views.stores(results)
    figure = Figure(figsize=(8.6, 4.4))
    left, right = figure.subplots(1, 2, sharey=True)
    zstd = data[((data["method"] == "zstd 3") & (data["transform"] == "none")) | (data["codec"] == "xet")]
    by_method = data[(data["granularity"] == "layer") & data["method"].isin(_layer_methods(data))]
    _curves(left, zstd, "granularity", {"chunk-xet": "xet: raw, lz4 or bg4"})
    _curves(right, by_method, "method", {})
    left.set_title("zstd 3 by granularity", fontsize=9, loc="left", pad=62)
    right.set_title("layers by method", fontsize=9, loc="left", pad=62)
    left.set(ylabel="cumulative share of models", ylim=(0, 1.02))
    shown = pd.concat([zstd, by_method]).drop_duplicates()
    return figure, shown[["model", *views.METHOD, "bytes_in", "bytes_out", "ratio"]]


def _layer_methods(data: pd.DataFrame) -> list[str]:
    """zstd 3, and of each other float-aware method its best setting, the six best."""
    rows = views.overall(data[(data["granularity"] == "layer") & ~data["codec"].isin(views.NOT_COMPARED)])
    best = rows[rows["transform"].isin(["none", "byte_planes"])].drop_duplicates(["transform", "codec"])["method"]
    return ["zstd 3", *[name for name in best if name != "zstd 3"][:6]]


def _curves(axes: Axes, data: pd.DataFrame, by: str, names: dict[str, str]) -> None:
    for i, (name, rows) in enumerate(data.groupby(by)):
        ratios = np.sort(rows["ratio"].to_numpy(np.float64))
        share = np.arange(1, ratios.size + 1) / ratios.size
        shown = names.get(str(name), views.unit(str(name)))
        axes.step(ratios, share, where="post", color=COLOURS[i % len(COLOURS)], label=shown, linewidth=1.3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel(RATIO)
    legend_above(axes, 2)


def coding_by_dtype(results: Results) -> tuple[Figure, pd.DataFrame]:
    """How well the layers of each dtype compress: one dot a method, named those of the best and of zstd 3."""
    data = views.by_dtype(results)
    order = views.large_dtypes(results)
    data = data[~data["codec"].isin(views.NOT_COMPARED) & (data["granularity"] == "layer") & data["dtype"].isin(order)]
    figure = Figure(figsize=(7.6, 1.2 + 0.42 * max(3, len(order))))
    axes = figure.subplots()
    for place, dtype in enumerate(order):
        _dtype_line(axes, data[data["dtype"] == dtype].sort_values("ratio"), place)
    sizes = data.groupby("dtype")["bytes_in"].max().astype("float64") / 1e6
    axes.set_yticks(range(len(order)), [f"{dtype} ({sizes[dtype]:,.3g} MB)" for dtype in order])
    axes.set_ylim(len(order) - 0.5, -0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.margins(x=0.2)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel(RATIO)
    axes.grid(visible=False, axis="y")
    legend_above(axes)
    return figure, data[["dtype", "method", "n_units", "bytes_in", "bytes_out", "ratio"]]


def _dtype_line(axes: Axes, rows: pd.DataFrame, place: int) -> None:
    """The methods of one dtype on one line; the first line names what the marks are."""
    best, zstd = rows.iloc[-1:], rows[rows["method"] == "zstd 3"]
    marks = (("a method", rows, "o", QUIET), ("zstd 3", zstd, "D", COLOURS[1]), ("the best", best, "o", COLOURS[0]))
    for name, some, mark, colour in marks:
        axes.plot(some["ratio"], [place] * len(some), mark, color=colour, markersize=5, label=None if place else name)
    [(method, ratio)] = best[["method", "ratio"]].itertuples(index=False)
    axes.annotate(f"{method} {ratio:.3g}", (ratio, place), (6, 4), textcoords="offset points", fontsize=7)


def coding_and_floor(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Bits a parameter that methods take on the layers of each float dtype, beside floors: estimated order-0 entropy
    of whole values, bytes, bits and float fields, frequencies known for free. A faint mark is the plug-in estimate.
    """
    floors = views.floors(results)
    data = views.beside_floors(results)
    dtypes = [dtype for dtype in ("f64", "f32", "f16", "bf16") if dtype in set(floors["dtype"])]
    data = data[data["dtype"].isin(dtypes) & ~data["codec"].isin(views.NOT_COMPARED) & (data["granularity"] == "layer")]
    if data.empty:
        return Figure(), NOTHING
    figure = Figure(figsize=(8.6, 1 + 0.19 * max(10, data.groupby("dtype").size().max() + 4)))
    all_axes = figure.subplots(1, len(dtypes), squeeze=False)[0]
    for axes, dtype in zip(all_axes, dtypes, strict=True):
        _floor_panel(axes, data[data["dtype"] == dtype], floors[floors["dtype"] == dtype])
        axes.set_title(dtype, fontsize=9, loc="left")
        axes.set_xlabel("bits a parameter")
    return figure, data[["dtype", "method", "bits", "bytes_in", "bytes_out"]]


def _floor_panel(axes: Axes, data: pd.DataFrame, floors: pd.DataFrame) -> None:
    """Methods from the smallest up; below them the floors."""
    data = data.sort_values("bits").drop_duplicates(["transform", "codec"])
    place = np.arange(len(floors) + len(data))
    axes.plot(data["bits"], place[len(floors) :], "o", color=COLOURS[0], markersize=4)
    axes.plot(floors["plug_in"], place[: len(floors)], "|", color=QUIET, markersize=9, markeredgewidth=2)
    axes.plot(floors["estimate"], place[: len(floors)], "|", color=COLOURS[3], markersize=9, markeredgewidth=2)
    axes.axvline(float(floors["estimate"].min()), color=COLOURS[3], linewidth=0.8, linestyle=":")
    axes.set_yticks(place, [*("floor: " + floors["floor"]), *data["method"]], fontsize=7)
    axes.set_ylim(-0.6, len(place) - 0.4)


def coding_sampled(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Slow methods on a seeded sample of blocks, with 95 % intervals for the study; a cross: every block coded."""
    data = views.samples(results).sort_values("ratio", ignore_index=True)
    figure = Figure(figsize=(6.6, 1.2 + 0.32 * max(2, len(data))))
    axes = figure.subplots()
    place = np.arange(len(data))
    spread = [data["ratio"] - data["low"], data["high"] - data["ratio"]]
    axes.errorbar(
        data["ratio"], place, xerr=spread, fmt="o", color=COLOURS[0], markersize=4, capsize=3, label="sample, 95 %"
    )
    axes.plot(data["in_full"], place, "x", color=COLOURS[1], markersize=7, label="every block")
    axes.set_yticks(place, data["method"])
    axes.set_ylim(-0.6, len(data) - 0.4)
    axes.set_xlabel(RATIO)
    legend_above(axes)
    return figure, data


def coding_transforms(results: Results) -> tuple[Figure, pd.DataFrame]:
    """What rearranging does for dictionary coders, by dtype of the layers: the ratio behind each transform."""
    data = views.by_dtype(results)
    behind = set(data.loc[data["transform"] != "none", "codec"] + " " + data.loc[data["transform"] != "none", "params"])
    data = data[(data["codec"] + " " + data["params"]).isin(behind) & (data["granularity"] == "layer")]
    sizes = data.groupby("dtype")["bytes_in"].max()
    behind_any = set(data.loc[data["transform"] != "none", "dtype"])
    dtypes = [dtype for dtype in views.large_dtypes(results) if dtype in behind_any][:4]
    data = data[data["dtype"].isin(dtypes)]
    if data.empty:
        return Figure(), NOTHING
    figure = Figure(figsize=(8.6, 3.2))
    all_axes = figure.subplots(1, len(dtypes), squeeze=False, sharey=True)[0]
    transforms = ["none", *sorted(set(data["transform"]) - {"none"})]
    for axes, dtype in zip(all_axes, dtypes, strict=True):
        _transform_panel(axes, data[data["dtype"] == dtype], transforms)
        axes.set_title(f"{dtype} ({float(sizes[dtype]) / 1e6:,.3g} MB)", fontsize=9, loc="left")
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=8)
    return figure, data[["dtype", "transform", "codec", "params", "bytes_in", "bytes_out", "ratio"]]


def _transform_panel(axes: Axes, data: pd.DataFrame, transforms: list[str]) -> None:
    for i, (coder, rows) in enumerate(data.assign(coder=data["codec"]).groupby("coder")):
        places = [transforms.index(name) + 0.18 * (i - 1) for name in rows["transform"]]
        axes.plot(rows["ratio"], places, "o", color=COLOURS[i % len(COLOURS)], markersize=5, label=str(coder))
    axes.set_yticks(range(len(transforms)), [name.replace("_", " ") for name in transforms])
    axes.set_ylim(max(1, len(transforms)) - 0.5, -0.5)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("ratio")


def coding_together(results: Results) -> tuple[Figure, pd.DataFrame]:
    """zstd 3 over the files of a family, each apart or one after the other, with a long window or without."""
    data = views.long_distance(results)
    families = data.groupby("family")["ratio"].max().sort_values(ascending=False).index.tolist()
    figure = Figure(figsize=(7.2, 1.2 + 0.24 * max(3, len(families))))
    axes = figure.subplots()
    marks = {"zstd, each file": "o", "zstd long, each file": "s", "zstd, together": "v", "zstd long, together": "D"}
    for i, (how, mark) in enumerate(marks.items()):
        rows = data[data["how"] == how]
        places = [families.index(name) for name in rows["family"]]
        axes.plot(rows["ratio"], places, mark, color=COLOURS[i], markersize=7 - i, label=how, markerfacecolor="none")
    axes.set_yticks(range(len(families)), families)
    axes.set_ylim(max(1, len(families)) - 0.5, -0.5)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel(RATIO)
    legend_above(axes, 4)
    return figure, data


FIGURES = {
    "coding_by_method": coding_by_method,
    "coding_by_model": coding_by_model,
    "coding_by_dtype": coding_by_dtype,
    "coding_transforms": coding_transforms,
    "coding_and_floor": coding_and_floor,
    "coding_sampled": coding_sampled,
    "coding_together": coding_together,
}
