"""Figures of similarity."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.figures.parts import COLOURS, QUIET, legend_above, percent
from analysis.results import Results
from analysis.views.similarity import SHINGLES, distributions, estimates, noise, pairs, recall

SHINGLE_COLOURS = dict(zip(SHINGLES, COLOURS, strict=False))
LINES = {"within a family": "-", "between families": "--", "with stand-ins (null)": ":"}
LINE_COLOURS = dict(zip(LINES, (COLOURS[0], COLOURS[1], "#444444"), strict=True))
SMALLEST = 1e-6
"""Where the logarithmic part of the axis starts."""
RIGHT = 1.3


def similarity_of_pairs(results: Results) -> tuple[Figure, pd.DataFrame]:
    """How alike two files are, by what is compared: cumulative share of the pairs by exact Jaccard similarity, within
    families, between families, and with stand-ins of equal size and marginals, which share by chance alone.
    """
    figure = Figure(figsize=(8.4, 5.2))
    shown = []
    for axes, shingle in zip(figure.subplots(2, 2, sharex=True, sharey=True).flat, SHINGLES, strict=True):
        found = distributions(results, shingle)
        for name, values in found.items():
            _cdf(axes, name, values)
            shown.append(pd.DataFrame({"shingle": shingle, "pairs": name, "jaccard": values}))
        axes.set_title(f"{shingle} ({sum(map(len, list(found.values())[:2])):,} pairs)", fontsize=9, loc="left")
        axes.set_xscale("symlog", linthresh=SMALLEST)
        axes.set(xlim=(0, RIGHT), ylim=(0, 1.02))
        axes.set_xticks([0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1])
    figure.supxlabel("exact Jaccard similarity", fontsize=9)
    figure.supylabel("cumulative share of pairs", fontsize=9)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8)
    data = pd.concat(shown, ignore_index=True)
    return figure, data


def _cdf(axes: Axes, name: str, values: NDArray[np.float64]) -> None:
    if values.size:
        share = np.arange(1, values.size + 1) / values.size
        x, y = np.concatenate(([0.0], values, [RIGHT])), np.concatenate(([0.0], share, [1.0]))
        axes.step(x, y, LINES[name], where="post", color=LINE_COLOURS[name], label=name, linewidth=1.4)


def similarity_map(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Which files look alike by the set of their values (below the diagonal), and what of it is more than files of
    their size and type share by chance (above): most of the pattern is size and type, what remains is kinship.
    """
    data = pairs(results, "value").dropna(subset=["jaccard_exact"])
    if data.empty:
        return Figure(), data
    names = _by_family(data)
    place = {name: i for i, name in enumerate(names.index)}
    matrix = np.full((len(names), len(names)), np.nan)
    for a, b, exact, null in data[["a", "b", "jaccard_exact", "jaccard_null"]].itertuples(index=False):
        low, high = sorted((place[a], place[b]))
        matrix[high, low], matrix[low, high] = exact, exact - null
    side = 1.5 + CELL * len(names)
    figure = Figure(figsize=(side + 1, side))
    axes = figure.subplots()
    image = axes.imshow(np.where(matrix >= LEAST, matrix, np.nan), cmap="viridis_r", norm=LogNorm(LEAST, 1))
    axes.set_facecolor("#f4f4f4")
    _family_ticks(axes, names)
    axes.set_title(f"above: exact less null; below: exact; grey: under {LEAST:g}", fontsize=8, loc="left")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, fraction=0.05, pad=0.02)
    bar.set_label("Jaccard similarity of the sets of values", fontsize=8)
    return figure, data[["a", "b", "jaccard_exact", "jaccard_null", "relation"]]


LEAST = 1e-3
CELL = 0.125
"""Inches of one file: a line of small print, since a family may have one file only."""


def _by_family(data: pd.DataFrame) -> pd.Series:
    """The family of each file, files of one family together."""
    sides = [data[[f"family_{side}", side]].set_axis(["family", "name"], axis=1) for side in "ab"]
    return pd.concat(sides).drop_duplicates().sort_values(["family", "name"]).set_index("name")["family"]


def _family_ticks(axes: Axes, families: pd.Series) -> None:
    """One tick a family, with lines between families."""
    names = families.reset_index(drop=True)
    first = names.drop_duplicates().index.to_numpy()
    last = np.append(first[1:], len(names))
    axes.set_yticks((first + last - 1) / 2, list(names[first]), fontsize=7)
    axes.set_xticks((first + last - 1) / 2, list(names[first]), fontsize=7, rotation=90)
    axes.grid(visible=False)
    for edge in first[1:]:
        axes.axhline(edge - 0.5, color="white", linewidth=0.8)
        axes.axvline(edge - 0.5, color="white", linewidth=0.8)


METHODS = {
    "exact": "exact",
    "datasketch": "MinHash, datasketch",
    "rensa": "MinHash, rensa",
    "bytes": "exact, by bytes",
    "null": "null alone (size and type)",
    "excess": "exact less null",
}


def kinship_told(results: Results) -> tuple[Figure, pd.DataFrame]:
    """How well each shingle tells relatives from strangers: the chance that a pair of relatives scores higher than a
    pair of two families (AUROC; a tie counts half, 0.5 is blind).
    """
    data = results.kinship.dropna(subset=["auroc"])
    data = data[data["method"].isin(METHODS)]
    relations = [relation for relation in ("family", "architecture") if relation in set(data["relation"])]
    figure = Figure(figsize=(8.4, 3.6))
    many = figure.subplots(1, max(1, len(relations)), sharey=True, squeeze=False)[0]
    for axes, relation in zip(many, relations, strict=False):
        rows = data[data["relation"] == relation]
        _bars(axes, rows)
        counts = f"{rows['n_relatives'].max():,} pairs of relatives, {rows['n_strangers'].max():,} of strangers"
        axes.set_title(f"relatives: one {relation} ({counts})", fontsize=8, loc="left")
    many[0].set_ylabel("AUROC")
    if len(data):
        figure.legend(*many[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8)
    return figure, data


def _bars(axes: Axes, rows: pd.DataFrame) -> None:
    colours = dict(zip(METHODS, (*COLOURS[:4], QUIET, COLOURS[4]), strict=True))
    width = 0.8 / len(METHODS)
    for i, (method, label) in enumerate(METHODS.items()):
        found = rows[rows["method"] == method].set_index("shingle")["auroc"]
        places = [SHINGLES.index(shingle) + (i - (len(METHODS) - 1) / 2) * width for shingle in found.index]
        axes.bar(places, found.to_numpy(), width * 0.92, color=colours[method], label=label)
    axes.set_xticks(range(len(SHINGLES)), SHINGLES)
    axes.axhline(0.5, color="black", linewidth=0.8)
    axes.set_ylim(0, 1.02)
    axes.grid(visible=False, axis="x")


SHARES = [digit * 10.0**power for power in range(-6, 1) for digit in (1, 2, 5)]


def lsh_recall(results: Results) -> tuple[Figure, pd.DataFrame]:
    """What locality-sensitive hashing finds of the pairs that are alike, and how many pairs it has to look at."""
    data = recall(results)
    figure = Figure(figsize=(8.4, 3.4))
    left, right = figure.subplots(1, 2)
    for i, (shingle, rows) in enumerate(data.groupby("shingle")):
        style = {"marker": "osD^"[i % 4], "color": SHINGLE_COLOURS[str(shingle)], "markerfacecolor": "none"}
        found = rows.dropna(subset=["recall"])
        left.plot(found["threshold"], found["recall"], label=shingle, linewidth=1, markersize=5 + i, **style)
        right.plot(rows["threshold"], rows["compared"], label=shingle, linewidth=1, markersize=5 + i, **style)
    left.set(ylim=(0, 1.05), ylabel="recall: pairs found of those above")
    right.set(yscale="log", ylabel="pairs compared, of all")
    low, high = right.get_ylim()
    right.set_yticks([tick for tick in SHARES if low <= tick <= high])
    right.minorticks_off()
    percent(left)
    percent(right)
    for axes in (left, right):
        axes.set_xlabel("threshold: Jaccard similarity")
        axes.set_xlim(0, 0.85)
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper left", ncols=4, fontsize=8)
    return figure, data


def sketches_agree(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Estimates of both sketches less the exact similarity; the band is two standard errors wide on each side."""
    data = estimates(results)
    figure = Figure(figsize=(8.4, 3.2))
    many = figure.subplots(1, 2, sharey=True)
    for axes, method in zip(many, ("datasketch", "rensa"), strict=True):
        rows = data[data["method"] == method]
        for shingle, some in rows.groupby("shingle"):
            colour = SHINGLE_COLOURS[str(shingle)]
            axes.plot(some["jaccard_exact"], some["error"], "o", markersize=3, alpha=0.6, color=colour, label=shingle)
        if len(rows):
            grid = np.linspace(0, 1, 201)
            band = 2 * np.sqrt(grid * (1 - grid) / float(rows["permutations"].iloc[0]))
            axes.fill_between(grid, -band, band, color=QUIET, alpha=0.5, linewidth=0)
        axes.set_title(method, fontsize=9, loc="left")
        axes.set_xlabel("exact Jaccard similarity")
    many[0].set_ylabel("estimate less exact")
    figure.legend(*many[0].get_legend_handles_labels(), loc="outside upper left", ncols=4, fontsize=8)
    return figure, data[["shingle", "method", "a", "b", "jaccard", "jaccard_exact", "error", "expected_error"]]


def values_and_noise(results: Results) -> tuple[Figure, pd.DataFrame]:
    """The set of values measures size: how alike each file's values are to Gaussian noise of the same shape, by how
    many parameters there are. A type of 16 bits has so few patterns that everything is alike.
    """
    data = noise(results).dropna(subset=["jaccard"])
    figure = Figure(figsize=(6.4, 3.6))
    axes = figure.subplots()
    for i, (dtype, rows) in enumerate(data.groupby("dtype")):
        x, y = rows["n_params"].astype("float64"), rows["jaccard"].clip(lower=1e-6)
        axes.plot(x, y, "osD"[i % 3], color=COLOURS[i], label=dtype, markerfacecolor="none")
    if len(data):
        axes.set(xscale="log", yscale="log", ylim=(None, 1.5))
    axes.set(xlabel="parameters of this type in the file", ylabel="Jaccard similarity with noise")
    legend_above(axes)
    return figure, data


FIGURES = {
    "similarity_of_pairs": similarity_of_pairs,
    "similarity_map": similarity_map,
    "kinship_told": kinship_told,
    "lsh_recall": lsh_recall,
    "sketches_agree": sketches_agree,
    "values_and_noise": values_and_noise,
}
