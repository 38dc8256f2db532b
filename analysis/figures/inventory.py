"""Figures of what a study consists of."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.parts import COLOURS, REST, legend_above, stacked_bars
from analysis.results import Results
from elf.tensor import ROLES


def bytes_by_family(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Where the bytes of each family are, by the role of the tensor that holds them."""
    data = _stored(results, "role", [*ROLES, REST])
    return stacked_bars(data, "bytes as stored (MB)", scale=1e-6), data.reset_index()


def bytes_by_dtype(results: Results) -> tuple[Figure, pd.DataFrame]:
    """The same bytes by element type."""
    order = results.layers.groupby("dtype")["bytes_stored"].sum().sort_values(ascending=False).index
    data = _stored(results, "dtype", [*order, REST])
    return stacked_bars(data, "bytes as stored (MB)", scale=1e-6), data.reset_index()


def _stored(results: Results, by: str, order: list[str]) -> pd.DataFrame:
    """Bytes by family (rows, largest first) and by role or dtype (columns), with what is in no tensor."""
    layers = results.layers[results.layers["model"].isin(results.originals["model"])]
    data = layers.pivot_table(index="family", columns=by, values="bytes_stored", aggfunc="sum", fill_value=0)
    families = results.originals.groupby("family")[["bytes", "bytes_tensors"]].sum()
    data = data.reindex(families.index, fill_value=0)
    data[REST] = families["bytes"] - families["bytes_tensors"]
    data = data[[name for name in order if name in data and data[name].sum()]]
    return data.loc[families["bytes"].sort_values(ascending=False).index]


def layer_sizes(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Many layers are small, the bytes are in few: cumulative share of the layers and of their bytes, by layer size."""
    sizes = np.sort(results.layers.loc[results.layers["bytes_stored"] > 0, "bytes_stored"].to_numpy("int64"))
    data = pd.DataFrame({"bytes": sizes, "layers": np.arange(1, len(sizes) + 1), "sum": np.cumsum(sizes)})
    data = data.groupby("bytes", as_index=False).last()
    figure = Figure(figsize=(6, 3.4))
    axes = figure.subplots()
    axes.step(data["bytes"], data["layers"] / len(sizes), where="post", label="of the layers", color=COLOURS[0])
    axes.step(data["bytes"], data["sum"] / sizes.sum(), where="post", label="of their bytes", color=COLOURS[1])
    axes.set(xscale="log", xlabel="layer size (bytes)", ylabel="cumulative share", ylim=(0, 1.02))
    legend_above(axes)
    return figure, data


FIGURES = {"bytes_by_family": bytes_by_family, "bytes_by_dtype": bytes_by_dtype, "layer_sizes": layer_sizes}
