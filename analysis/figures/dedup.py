"""Figures of hash deduplication."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.parts import COLOURS, QUIET, ROLE_COLOURS, legend_above, percent, said, stacked_bars
from analysis.results import SIZES, Results, with_ratios
from elf.tensor import ROLES

GRANULARITIES = ("file", "layer", "chunk", "parameter")
GRANULARITY_COLOURS = dict(zip(GRANULARITIES, COLOURS, strict=False))
SCOPE_NAMES = {
    "file": "within a file",
    "model": "within a model",
    "family": "within a family",
    "study": "across families",
}


def saving_by_granularity(results: Results) -> tuple[Figure, pd.DataFrame]:
    """What each store saves over the study: kept bytes alone, and with the recipes and index that make it work."""
    data = results.dedup()
    data = data[data["granularity"].isin(GRANULARITIES)]
    data = data.assign(store=data["granularity"] + ": " + data["method"])
    order = data["granularity"].map(GRANULARITIES.index)
    data = data.assign(order=order).sort_values(["order", "saving_payload"], ascending=[True, False])
    figure = Figure(figsize=(7.2, 1 + 0.25 * len(data)))
    axes = figure.subplots()
    place = np.arange(len(data))
    axes.barh(place - 0.2, data["saving_payload"], 0.36, label="kept bytes only", color=QUIET)
    axes.barh(place + 0.2, data["saving"], 0.36, label="with recipes and index", color=COLOURS[0])
    axes.set_yticks(place, data["store"])
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("saving = 1 - bytes out / bytes in")
    axes.grid(visible=False, axis="y")
    _in_numbers(axes, data)
    percent(axes, "x")
    legend_above(axes)
    return figure, data[["granularity", "method", *SIZES, "saving_payload", "saving"]]


def _in_numbers(axes: Axes, data: pd.DataFrame) -> None:
    """Both savings behind their bars: most are small beside the largest."""
    low, high = min(0.0, data["saving"].min()), max(0.01, data["saving_payload"].max())
    axes.set_xlim(low - 0.03 * (high - low), high + 0.3 * (high - low))
    for place, pair in enumerate(zip(data["saving_payload"], data["saving"], strict=True)):
        text = "  {:.1f} %, {:.1f} %".format(*(100 * value for value in pair))
        axes.text(max(0.0, *pair), place, text, va="center", fontsize=7, color="#444444")


def saving_by_chunk_size(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Smaller chunks find more but cost more to describe: saving by nominal chunk size, rule and anchor.

    Circles and solid lines: cut from the file's start; squares and dashed lines: cut anew at each tensor.
    """
    data = results.dedup()
    data = data[data["granularity"] == "chunk"]
    parts = data["method"].str.extract(r"^(?P<rule>[a-z0-9]+)(?:-(?P<nominal>\d+))? @ (?P<anchor>\w+)$")
    nominal = parts["nominal"].fillna(str(XET_TARGET)).astype("int64")
    mean = data["bytes_in"] / data["n_units"]
    data = data.assign(rule=parts["rule"], anchor=parts["anchor"], nominal_bytes=nominal, mean_bytes=mean)
    data = data.sort_values(["rule", "anchor", "nominal_bytes"])
    figure = Figure(figsize=(8.4, 3.6))
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, column, title in (
        (left, "saving_payload", "kept bytes only"),
        (right, "saving", "with recipes and index"),
    ):
        _chunk_lines(axes, data, column)
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xlabel("nominal chunk size (bytes); xet: its target, 64 Ki")
    percent(left)
    left.set_ylabel("saving")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=6, fontsize=8)
    return figure, data[["method", "nominal_bytes", "mean_bytes", *SIZES, "saving_payload", "saving"]]


XET_TARGET = 65536
"""Bytes: the size that xet aims at, which its name does not say."""


def _chunk_lines(axes: Axes, data: pd.DataFrame, column: str) -> None:
    colours = dict(zip(sorted(data["rule"].unique()), COLOURS, strict=False))
    for (rule, anchor), line in data.groupby(["rule", "anchor"]):
        style = "-o" if anchor == "file" else "--s"
        axes.plot(
            line["nominal_bytes"],
            line[column],
            style,
            color=colours[rule],
            label=f"{rule} @ {anchor}",
            linewidth=1.2,
            markersize=4 if anchor == "file" else 7,
            markerfacecolor="none",
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: _size(value))


def _size(value: float) -> str:
    for unit, name in ((1 << 20, " Mi"), (1 << 10, " Ki")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def saving_by_scope(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Where the duplicates are: inside files, between files of a model, models of a family, families."""
    saved = {scope: _saved(results, scope) for scope in SCOPE_NAMES}
    steps = pd.DataFrame(saved).diff(axis=1)
    steps["file"] = saved["file"]
    data = (steps / results.bytes).rename(columns=SCOPE_NAMES).astype("float64").clip(lower=0)
    data = data.loc[sorted(data.index, key=_natural)]
    figure = stacked_bars(data, "share of all bytes that duplicates take (no recipe or index)")
    percent(figure.axes[0], "x")
    return figure, data.reset_index(names="store")


def _saved(results: Results, scope: str) -> pd.Series:
    """Bytes that stores of one scope drop, by store, over the original models."""
    rows = results.hash_dedup[
        results.hash_dedup["granularity"].isin(GRANULARITIES[:3]) & (results.hash_dedup["scope"] == scope)
    ]
    if scope in {"file", "model"}:
        originals = set(results.originals["model"])
        rows = rows[[_model_of(name, scope, originals) for name in rows["name"]]]
    dropped = (rows["bytes_in"] - rows["bytes_payload"]).groupby(rows["granularity"] + ": " + rows["method"]).sum()
    return dropped.astype("int64")


def _model_of(name: str, scope: str, models: set[str]) -> bool:
    return name in models if scope == "model" else any(name.startswith(f"{model}/") for model in models)


def _natural(store: str) -> tuple[int, list[object]]:
    granularity = store.partition(":")[0]
    pieces = [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", store)]
    return GRANULARITIES.index(granularity), pieces


def saving_by_model(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Most models have little to drop on their own, a few have a lot: cumulative share of the models by what a store
    for each alone saves.
    """
    data = results.dedup("model")
    data = data[data["name"].isin(results.originals["model"])]
    there = [granularity for granularity in GRANULARITIES[:3] if granularity in set(data["granularity"])]
    chosen = {granularity: _best_method(data, granularity) for granularity in there}
    figure = Figure(figsize=(6, 3.4))
    axes = figure.subplots()
    shown = []
    for granularity, method in chosen.items():
        rows = data[(data["granularity"] == granularity) & (data["method"] == method)].sort_values("saving")
        share = np.arange(1, len(rows) + 1) / max(1, len(rows))
        axes.step(
            rows["saving"],
            share,
            where="post",
            color=GRANULARITY_COLOURS[granularity],
            label=f"{granularity}: {method}",
        )
        shown.append(rows)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="saving with recipes and index", ylabel="cumulative share of models", ylim=(0, 1.02))
    percent(axes, "x")
    legend_above(axes, 3)
    return figure, pd.concat([data.head(0), *shown])[
        ["granularity", "method", "name", *SIZES, "saving_payload", "saving"]
    ]


def _best_method(data: pd.DataFrame, granularity: str) -> str:
    """The method of a granularity that saves most over all models together, metadata counted."""
    rows = data[data["granularity"] == granularity]
    out = (rows["bytes_payload"] + rows["bytes_recipe"] + rows["bytes_index"]).groupby(rows["method"]).sum()
    return str(out.idxmin())


def leave_one_family_out(results: Results) -> tuple[Figure, pd.DataFrame]:
    """How much the overall saving leans on one family: the saving of the study without each, largest change first."""
    data = _without_families(results)
    figure = Figure(figsize=(7.2, 1 + 0.25 * data["name"].nunique()))
    axes = figure.subplots()
    names = sorted(data["name"].unique(), key=lambda name: data.loc[data["name"] == name, "saving_payload"].min())
    for store, rows in data.groupby("store"):
        colour = GRANULARITY_COLOURS[str(store).partition(":")[0]]
        places = [names.index(name) for name in rows["name"]]
        axes.plot(rows["saving_payload"], places, "o", color=colour, label=store)
        axes.axvline(_whole(results, str(store)), color=colour, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), [f"without {name}" for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("saving, kept bytes only (dotted: with all families)")
    percent(axes, "x")
    legend_above(axes, 3)
    return figure, data


STORES = ("file: whole", "layer: typed", "chunk: fastcdc-4096 @ tensor")


def _without_families(results: Results) -> pd.DataFrame:
    rows = results.without_families()
    rows = rows.assign(store=rows["granularity"] + ": " + rows["method"])
    return rows[rows["store"].isin(STORES)]


def _whole(results: Results, store: str) -> float:
    granularity, method = store.split(": ")
    rows = results.dedup()
    return float(rows.loc[(rows["granularity"] == granularity) & (rows["method"] == method), "saving_payload"].iloc[0])


def reference_counts(results: Results) -> tuple[Figure, pd.DataFrame]:
    """How often a layer that occurs more than once does, by the kind of tensor."""
    data = results.duplicates[results.duplicates["references"] > 1]
    limits = [1, 2, 3, 4, 8, 16, 64, 256, np.inf]
    names = ["2 times", "3 times", "4 times", "5 to 8", "9 to 16", "17 to 64", "65 to 256", "more"]
    bins = pd.cut(data["references"].astype("int64"), limits, labels=names).astype(str)
    table = data.assign(occurs=bins).pivot_table(
        index="occurs", columns="role", values="n_unique", aggfunc="sum", fill_value=0
    )
    table = table.reindex([name for name in names if name in table.index])
    table = table[[role for role in ROLES if role in table]]
    return stacked_bars(
        table, "distinct layers that occur so often", rows="occurrences in the study"
    ), table.reset_index()


def duplicate_sizes(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Duplicates are many and small or few and large: bytes a store drops, by role and the layer's median size."""
    data = results.duplicates[results.duplicates["references"] > 1]
    data = data.assign(bytes_dropped=data["bytes_unique"] * (data["references"] - 1))
    figure = Figure(figsize=(6.4, 3.6))
    axes = figure.subplots()
    for role, rows in data.groupby("role"):
        size = 14 + 8 * np.sqrt(rows["n_unique"].astype("float64"))
        axes.scatter(
            rows["median"],
            rows["bytes_dropped"],
            size,
            color=ROLE_COLOURS[str(role)],
            alpha=0.75,
            label=role,
            linewidths=0,
        )
    axes.set(xscale="log", yscale="log", xlabel="median size of such a layer (bytes)", ylabel="bytes dropped")
    legend_above(axes, 6, "role (area: number of layers)")
    return figure, data


def shared_layers(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Who shares with whom: identical layers that two models both have, in percent of the smaller model's bytes.

    Models that share less than 0.05 % with every other are left out.
    """
    rows = results.shared_bytes
    rows = rows[(rows["granularity"] == "layer") & (rows["method"] == "untyped")]
    size = results.models.set_index("model")["bytes"].astype("float64")
    smaller = np.minimum(rows["model_a"].map(size).astype("float64"), rows["model_b"].map(size).astype("float64"))
    rows = rows.assign(share=rows["bytes"].astype("float64") / smaller)
    shown = rows[rows["share"] >= LEAST_SHARE]
    ordered = results.models.sort_values(["family", "model"])["model"]
    names = [name for name in ordered if name in {*shown["model_a"], *shown["model_b"]}]
    matrix = pd.DataFrame(np.nan, index=names, columns=names)
    for a, b, share in shown[["model_a", "model_b", "share"]].itertuples(index=False):
        matrix.loc[a, b] = matrix.loc[b, a] = share
    return (_heat_map(matrix) if names else said("no two models share 0.05 % of the smaller one")), rows


LEAST_SHARE = 0.0005
"""Of the smaller model's bytes: a pair that shares less is not shown."""


def _heat_map(matrix: pd.DataFrame) -> Figure:
    side = 2.4 + 0.32 * len(matrix)
    figure = Figure(figsize=(side + 1.2, side))
    axes = figure.subplots()
    values = matrix.to_numpy("float64")
    most = float(np.nanmax(values))
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=most)
    for i, j in zip(*np.nonzero(values >= LEAST_SHARE), strict=True):
        value = float(values[i, j])
        colour = "white" if value > most / 2 else "black"
        axes.text(j, i, _share(value), ha="center", va="center", fontsize=6, color=colour)
    names = _short(list(matrix.index))
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, format=lambda value, _: f"{100 * value:.3g} %")
    bar.set_label("share of the smaller model")
    return figure


def _short(models: list[str]) -> list[str]:
    """Names without their versions, where those are not needed to tell two of them apart."""
    bare = [name.partition("==")[0] for name in models]
    return [name if bare.count(short) > 1 else short for name, short in zip(models, bare, strict=True)]


def _share(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.095 else f"{100 * value:.1f} %"


def distinct_parameters(results: Results) -> tuple[Figure, pd.DataFrame]:
    """A store of single parameters: distinct values and packed indices, against the bytes they replace, by dtype."""
    rows = results.hash_dedup[
        (results.hash_dedup["granularity"] == "parameter") & (results.hash_dedup["scope"] == "study")
    ]
    rows = with_ratios(rows).sort_values("bytes_in", ascending=False)
    figure = Figure(figsize=(6, 3.4))
    axes = figure.subplots()
    place, size_in = np.arange(len(rows)), rows["bytes_in"].astype("float64")
    payload, recipe = rows["bytes_payload"] / size_in, rows["bytes_recipe"] / size_in
    axes.bar(place, payload, color=COLOURS[0], label="distinct values")
    axes.bar(place, recipe, bottom=payload, color=COLOURS[1], label="packed indices")
    axes.axhline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set_xticks(
        place, [f"{method}\n{_count(int(n))}" for method, n in zip(rows["method"], rows["n_units"], strict=True)]
    )
    axes.set(xlabel="dtype and number of parameters", ylabel="bytes out / bytes in")
    legend_above(axes)
    return figure, rows


def _count(number: int) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number:,}"


FIGURES = {
    "saving_by_granularity": saving_by_granularity,
    "saving_by_chunk_size": saving_by_chunk_size,
    "saving_by_scope": saving_by_scope,
    "saving_by_model": saving_by_model,
    "leave_one_family_out": leave_one_family_out,
    "reference_counts": reference_counts,
    "duplicate_sizes": duplicate_sizes,
    "shared_layers": shared_layers,
    "distinct_parameters": distinct_parameters,
}
