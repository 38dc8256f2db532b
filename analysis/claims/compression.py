"""What lossless coding says about claim A."""

from __future__ import annotations

from analysis.results import Results
from analysis.text import NOTHING
from analysis.views import compression as views

TOOLS = ("gzip", "zstd", "lz4", "xz", "brotli")
LAYERS = 0.01
"""Dtypes with less than this share of the layers' bytes are not named."""


def dictionary_ratio(results: Results) -> tuple[str, str]:
    """The best dictionary coder over whole files, the best float-aware method, and the dtypes one by one."""
    found = views.overall(views.stores(results))
    files = found[(found["granularity"] == "file") & found["codec"].isin(TOOLS)]
    if files.empty:
        return NOTHING, ""
    best, floats = files.iloc[0], found[found["granularity"] == "layer"].iloc[:1]
    said = [f"{best['method']} {best['ratio']:.3f}x over whole files (median model {best['median']:.3f}x)"]
    said += [f"knowing floats {row['ratio']:.3f}x ({row['method']})" for _, row in floats.iterrows()]
    return ", ".join(said), f"best of {len(files)} settings; by dtype, layers, zstd 3 and the best: {_dtypes(results)}"


def _dtypes(results: Results) -> str:
    data = views.by_dtype(results)
    data = data[data["granularity"] == "layer"]
    sizes = data.groupby("dtype")["bytes_in"].max().sort_values(ascending=False)
    said = []
    for dtype in sizes.index[(sizes / sizes.sum() >= LAYERS).tolist()]:
        rows = data[data["dtype"] == dtype]
        zstd = rows.loc[rows["method"] == "zstd 3", "ratio"].max()
        said.append(f"{dtype} {zstd:.3f}x, {rows['ratio'].max():.3f}x")
    return "; ".join(said)


MEASURED = {"dictionary_ratio": dictionary_ratio}
