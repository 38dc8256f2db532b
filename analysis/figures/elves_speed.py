"""The figure of speed: from this machine's own timings, so that it is drawn by the notebook and not with the others."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import STYLE, Drawn
from analysis.figures.elves import METHOD_COLOURS, name


def ratio_by_throughput(timings: pd.DataFrame) -> Drawn:
    """Ratio on the sample against MB of original bytes a second with one thread: compression (left), decompression."""
    data = timings[(timings["threads"] == 1) & timings["ratio"].notna()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.8), layout="constrained")
        for axes, column in zip(figure.subplots(1, 2, sharey=True), ("compress", "decompress"), strict=True):
            for method, ratio, speed in data[["method", "ratio", column]].itertuples(index=False):
                axes.plot([speed], [ratio], "o", color=METHOD_COLOURS.get(method, "black"))
                axes.annotate(name(method), (speed, ratio), (4, 3), textcoords="offset points", fontsize=7)
            axes.set(xscale="log", xlabel=f"{column}, MB/s")
        figure.axes[0].set_ylabel("ratio")
    return Drawn(figure, data, " ".join((ratio_by_throughput.__doc__ or "").split()))
