"""Ratios of lossless methods: whole stores by model, by dtype and format, beside the floor, with their intervals.

A method that does not take every dtype (pcodec leaves booleans alone) or works on layers only (openzl) still has to
store whole files: what it does not take is coded by zstd 3, as `bytes_own` tells.
"""

from __future__ import annotations

import math

import pandas as pd

from analysis.results import Results

METHOD = ["granularity", "transform", "codec", "params"]
FALLBACK = ("none", "zstd", "level=3")
BY_LAYER = ("layer", "parameter")
NOT_COMPARED = ("identity", "pyzstd")
"""Doing nothing, and the other binding of zstd, whose sizes are zstd's."""
SMALL = 2e-4
"""Dtypes with less than this share of the layers' bytes are left out of figures."""


def unit(granularity: str) -> str:
    """A granularity as figures show it: `chunk 4 KiB`."""
    kind, _, size = granularity.partition("-")
    if not size.isdigit():
        return granularity.replace("-", " ")
    return f"{kind} {int(size) >> 20} MiB" if int(size) >= 1 << 20 else f"{kind} {int(size) >> 10} KiB"


def label(transform: str, codec: str, params: str) -> str:
    """A method's name as figures show it: `zstd 3`, `byte planes + zstd 3`, `blosc2 level=1 filter=1`."""
    short = params.partition("=")[2] if params.count("=") == 1 and codec != "openzl" else params
    plain = f"{codec} {short}".strip()
    return plain if transform == "none" else f"{transform.replace('_', ' ')} + {plain}"


def labelled(data: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `method`: their labels."""
    names = [label(*row) for row in data[["transform", "codec", "params"]].itertuples(index=False)]
    return data.assign(method=pd.Series(names, data.index, data["codec"].dtype))  # text, were there no row


def originals(results: Results, data: pd.DataFrame) -> pd.DataFrame:
    """The rows of models that were pulled, not made here."""
    return data[data["model"].isin(results.originals["model"])]


def stores(results: Results) -> pd.DataFrame:
    """Whole stores of one model each, one row a (model, granularity, method): bytes in and out, ratio.

    `bytes_in` are all bytes of the model's files; `bytes_own` those that the method itself coded, the rest being left
    to zstd 3 (other dtypes, and what is in no layer), or kept as it is where the method failed.
    """
    rows = originals(results, results.compression)
    rows = rows.astype({"bytes_in": "int64", "bytes_out": "int64"})
    sizes = dict(zip(results.models["model"], results.models["bytes"].astype("int64"), strict=True))
    made = [
        {"family": family, "model": model, **_store(group, int(sizes[model]), method)}
        for (family, model), group in rows.groupby(["family", "model"])
        for method in _methods(group)
    ]
    columns = ["family", "model", *METHOD, "bytes_in", "bytes_out", "bytes_own"]
    data = pd.DataFrame(made, columns=pd.Index(columns))
    return labelled(data).assign(ratio=data["bytes_in"].astype("float64") / data["bytes_out"].astype("float64"))


def _methods(group: pd.DataFrame) -> list[tuple[str, ...]]:
    there = group.loc[group["granularity"] != "rest", METHOD].drop_duplicates()
    return [tuple(map(str, row)) for row in there.itertuples(index=False)]


def _store(group: pd.DataFrame, size: int, method: tuple[str, ...]) -> dict[str, object]:
    """One store of one model: its own rows, then what it leaves, then whatever nobody coded, as it is."""
    granularity, named = method[0], method[1:]
    own = _of(group, named, granularity)
    chosen = [own]
    if granularity in BY_LAYER:
        chosen += [_of(group, named, "rest")]
        filled = set(own["dtype"])
        spare = _of(group, FALLBACK, "layer")
        chosen += [spare[~spare["dtype"].isin(filled)]]
        chosen += [_of(group, FALLBACK, "rest")] if chosen[1].empty else []
    taken, out = (sum(int(part[name].sum()) for part in chosen) for name in ("bytes_in", "bytes_out"))
    mine = sum(int(part["bytes_in"].sum()) for part in chosen[:2])
    return dict(zip(METHOD, method, strict=True)) | {
        "bytes_in": size,
        "bytes_out": out + size - taken,
        "bytes_own": mine,
    }


def _of(group: pd.DataFrame, named: tuple[str, ...], granularity: str) -> pd.DataFrame:
    transform, codec, params = named
    return group[
        (group["granularity"] == granularity)
        & (group["transform"] == transform)
        & (group["codec"] == codec)
        & (group["params"] == params)
    ]


def overall(found: pd.DataFrame) -> pd.DataFrame:
    """`stores` over the study: the byte-weighted ratio, that of the median model, and how far one family moves it."""
    rows = []
    for key, group in found.groupby([*METHOD, "method"]):
        by_family = group.groupby("family")[["bytes_in", "bytes_out"]].sum()
        sums = by_family.sum()
        left = (sums["bytes_in"] - by_family["bytes_in"]) / (sums["bytes_out"] - by_family["bytes_out"])
        rows.append([
            *key, len(group), int(sums["bytes_in"]), int(sums["bytes_out"]), int(group["bytes_own"].sum()),
            sums["bytes_in"] / sums["bytes_out"], float(group["ratio"].median()),
            float(left.min()), float(left.max()),
        ])  # fmt: skip
    columns = [*METHOD, "method", "n_models", "bytes_in", "bytes_out", "bytes_own", "ratio", "median", "least", "most"]
    return pd.DataFrame(rows, columns=pd.Index(columns)).sort_values("ratio", ascending=False, ignore_index=True)


def by_dtype(results: Results) -> pd.DataFrame:
    """Layers alone, by dtype: bytes in and out, ratio. A method that does not take a dtype, or failed on some layers of
    it, has no row of it."""
    rows = originals(results, results.compression)
    rows = rows[rows["granularity"].isin(BY_LAYER)]
    summed = rows.groupby([*METHOD, "dtype"], as_index=False)[["n_units", "bytes_in", "bytes_out"]].sum()
    all_of_it = summed.groupby("dtype")["bytes_in"].transform("max") == summed["bytes_in"]
    return _with_ratio(labelled(summed[all_of_it.to_numpy(bool)]))


def by_format(results: Results) -> pd.DataFrame:
    """`stores`, models together by the format that most of their bytes are in."""
    found = stores(results)
    formats = results.layers.groupby(["model", "format"])["bytes_stored"].sum().reset_index()
    formats = formats.sort_values("bytes_stored").drop_duplicates("model", keep="last")[["model", "format"]]
    summed = found.merge(formats, on="model").groupby([*METHOD, "method", "format"], as_index=False)
    return _with_ratio(summed[["bytes_in", "bytes_out"]].sum())


def _with_ratio(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(ratio=data["bytes_in"].astype("float64") / data["bytes_out"].astype("float64"))


PARTS = {"value": ["value"], "bytes": ["byte"], "bits": ["bit"], "fields": ["sign", "exponent", "mantissa"]}
"""Floors: of coders that take a value as one symbol, byte by byte, bit by bit, field by field."""


def floors(results: Results) -> pd.DataFrame:
    """Bits a parameter by dtype and floor: the bias-aware estimate, the plug-in one, and of how many values."""
    rows = originals(results, results.entropy)
    made = []
    for dtype, group in rows.groupby("dtype"):
        n = int(group.loc[group["field"] == "value", "n_params"].sum())
        for floor, fields in PARTS.items():
            of_it = group[group["field"].isin(fields)]
            if len(of_it):
                sums = of_it[["bits_estimate", "bits_plug_in"]].sum() / n
                made.append([dtype, floor, n, sums["bits_estimate"], sums["bits_plug_in"]])
    return pd.DataFrame(made, columns=pd.Index(["dtype", "floor", "n_params", "estimate", "plug_in"]))


def beside_floors(results: Results) -> pd.DataFrame:
    """`by_dtype` as bits a parameter, for the dtypes that have floors."""
    count = floors(results).drop_duplicates("dtype").set_index("dtype")["n_params"]
    data = by_dtype(results)
    data = data[data["dtype"].isin(count.index)]
    bits = 8 * data["bytes_out"].astype("float64") / data["dtype"].map(count).astype("float64")
    return data.assign(bits=bits)


def large_dtypes(results: Results) -> list[str]:
    """The dtypes that have more than `SMALL` of the layers' bytes, the largest first."""
    sizes = by_dtype(results).groupby("dtype")["bytes_in"].max().astype("float64").sort_values(ascending=False)
    return [str(dtype) for dtype in sizes.index[(sizes > SMALL * sizes.sum()).tolist()]]


CONFIDENCE = 1.96


def samples(results: Results) -> pd.DataFrame:
    """Slow methods over the study: the estimated ratio, its 95 % interval, and the ratio in full where there is one."""
    rows = originals(results, results.compression_sample)
    names = ["n_blocks", "n_sampled", "bytes", "bytes_in", "bytes_out", "bytes_estimate", "variance"]
    data = labelled(rows.groupby(METHOD, as_index=False)[names].sum())
    size, estimate = data["bytes"].astype("float64"), data["bytes_estimate"]
    margin = CONFIDENCE * data["variance"].map(math.sqrt)
    full = overall(stores(results))[[*METHOD, "ratio"]].rename(columns={"ratio": "in_full"})
    return data.assign(ratio=size / estimate, low=size / (estimate + margin), high=size / (estimate - margin)).merge(
        full, on=METHOD, how="left"
    )


def dictionaries(results: Results) -> pd.DataFrame:
    """Trained dictionaries over the study: ratios without, with, and with the dictionary's own bytes counted."""
    names = ["n_train", "n_test", "bytes_in", "bytes_dictionary", "bytes_out", "bytes_out_without"]
    data = results.dictionaries.groupby(["unit", "level"], as_index=False)[names].sum()
    size = data["bytes_in"].astype("float64")
    return data.assign(
        without=size / data["bytes_out_without"].astype("float64"),
        with_it=size / data["bytes_out"].astype("float64"),
        counted=size / (data["bytes_out"] + data["bytes_dictionary"]).astype("float64"),
    )


def long_distance(results: Results) -> pd.DataFrame:
    """Ratios by family of zstd and of zstd with long-distance matching, over each file and over all files together."""
    data = _with_ratio(results.long_distance)
    data = data.assign(how=data["method"] + ", " + data["scope"].map({"file": "each file", "family": "together"}))
    return data[["family", "how", "bytes_in", "bytes_out", "ratio"]]
