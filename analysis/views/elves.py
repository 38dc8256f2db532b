"""Ratios of Elves and its peers over a study's original models, from `elves` and the tables beside it.

A whole model under a method is its eligible layers as the method keeps them, all other layers without loss as Elves
keeps them, and the container. `once` counts identical layers of a family once, for every method alike.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.results import Results
from analysis.views import compression

PUBLISHED = 2.0**-24
METHOD = ["codec", "setting", "error_bound"]
BOUNDED = ("elves", "quantized-pcodec", "sz3", "elf-published", "uniform", "zfp", "bitround")
"""Methods that keep a bound, in the order of figures."""
OWN = ("cast-bf16", "cast-f16", "int8", "int16")
"""What people do instead, at an error of its own."""
NOT_METHODS = ("lossless", "container", "everything")
DEFAULTS = "defaults"

_SIZES = ["bytes_in", "bytes_out", "bytes_in_once", "bytes_out_once"]
_COUNTS = ["n_layers", "n_refused", "n_params", "n_changed", "n_nonzero", "n_zeroed", "n_beyond"]


def rows(results: Results) -> pd.DataFrame:
    """The table `elves` of the original models, with numbers as floats."""
    data = results.elves[results.elves["model"].isin(results.originals["model"])]
    return data.astype(dict.fromkeys([*_SIZES, *_COUNTS], "float64"))


def methods(results: Results, by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Every method in every setting at every bound, over the study or by `by`: sizes and errors of the eligible layers.

    Columns: those of METHOD and `by`, sums, `max_abs_error`, `rmse`, `rms`, `kept_bound`.
    """
    data = rows(results)
    data = data[data["eligible"] & ~data["codec"].isin(NOT_METHODS)]
    return _summed(data, [*by, *METHOD])


def _summed(data: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    data = data.assign(squares=data["rmse"] ** 2 * data["n_params"], energy=data["rms"] ** 2 * data["n_params"])
    groups = data.groupby(key, as_index=False, dropna=False)
    found = groups[[*_SIZES, *_COUNTS, "squares", "energy"]].sum()
    found["max_abs_error"] = groups["max_abs_error"].max()["max_abs_error"]
    found["rmse"] = np.sqrt(found["squares"] / found["n_params"])
    found["rms"] = np.sqrt(found["energy"] / found["n_params"])
    found["kept_bound"] = (found["n_beyond"] == 0).where(found.get("error_bound", pd.Series(0.0)).notna())
    return found.drop(columns=["squares", "energy"])


def exact(results: Results, by: tuple[str, ...] = ()) -> pd.DataFrame:
    """What is the same under every method: layers that are not eligible, without loss, and the container; by `by`."""
    data = rows(results)
    data = data[~data["eligible"] & data["codec"].isin(["lossless", "container"])]
    if by:
        return data.groupby(list(by), as_index=False)[_SIZES].sum()
    return data[_SIZES].sum().to_frame().T


def wholes(results: Results, by: tuple[str, ...] = ()) -> pd.DataFrame:
    """`methods` with the bytes of whole models (`whole_in`, `whole_out`, ... `_once`), and `ratio`, `ratio_once`.

    With `by` a row for every combination that has models, one without eligible layers included: all methods keep it
    alike.
    """
    found, rest = methods(results, by), exact(results, by)
    renamed = rest.rename(columns={name: f"rest_{name}" for name in _SIZES})
    every = found[METHOD].drop_duplicates().merge(renamed, how="cross")
    joined = every.merge(found, on=[*by, *METHOD], how="left").fillna(dict.fromkeys([*_SIZES, *_COUNTS], 0.0))
    for name in _SIZES:
        joined[name.replace("bytes", "whole")] = joined[name] + joined.pop(f"rest_{name}")
    joined["ratio"] = joined["whole_in"] / joined["whole_out"]
    joined["ratio_once"] = joined["whole_in"] / joined["whole_out_once"]
    return joined


def best(results: Results) -> pd.DataFrame:
    """The best setting of each method at each bound over the study, identical layers once; defaults are no candidates.

    A row a (codec, error_bound), as in `wholes`.
    """
    found = wholes(results)
    found = found[~found["setting"].str.startswith(DEFAULTS)]
    order = found.sort_values(["codec", "error_bound", "whole_out_once", "setting"], kind="stable")
    return order.drop_duplicates(["codec", "error_bound"]).reset_index(drop=True)


def defaults(results: Results) -> pd.DataFrame:
    """The settings that packages have unasked, as in `wholes`: a footnote."""
    found = wholes(results)
    return found[found["setting"].str.startswith(DEFAULTS)].reset_index(drop=True)


def at(data: pd.DataFrame, bound: float | None) -> pd.DataFrame:
    """The rows at one bound; None: those of methods that have their own."""
    return data[data["error_bound"].isna()] if bound is None else data[np.isclose(data["error_bound"], bound)]


def headline(results: Results, bound: float = PUBLISHED) -> pd.DataFrame:
    """Every method in its best setting at one bound, and what people do instead: the table of the evaluation.

    Ratios of the whole study with and without identical layers once, of the eligible layers, of the median model, and
    the least and most when one family is left out (identical layers once); the errors made.
    """
    chosen = pd.concat([at(best(results), bound), at(best(results), None)])
    return _spread(results, chosen).sort_values("ratio_once", ascending=False, kind="stable", ignore_index=True)


def _spread(results: Results, chosen: pd.DataFrame) -> pd.DataFrame:
    """Beside each method: the median model, the study without one family, errors as shares."""
    models = wholes(results, ("family", "model")).merge(chosen[METHOD], on=METHOD)
    median = models.groupby(METHOD, as_index=False, dropna=False).agg(median_model=("ratio", "median"))
    families = models.groupby(["family", *METHOD], as_index=False, dropna=False)[["whole_in", "whole_out_once"]].sum()
    families = families.merge(chosen[[*METHOD, "whole_in", "whole_out_once"]], on=METHOD, suffixes=("", "_all"))
    without_in = families["whole_in_all"] - families["whole_in"]
    families["without"] = without_in / (families["whole_out_once_all"] - families["whole_out_once"])
    groups = families.groupby(METHOD, as_index=False, dropna=False)
    spread = groups.agg(least=("without", "min"), most=("without", "max"))
    data = chosen.merge(median, on=METHOD).merge(spread, on=METHOD)
    return data.assign(
        eligible_ratio=data["bytes_in"] / data["bytes_out"],
        relative_error=data["rmse"] / data["rms"],
        changed=data["n_changed"] / data["n_params"],
        zeroed=data["n_zeroed"] / data["n_nonzero"],
    )


def lossless(results: Results) -> pd.DataFrame:
    """Elves without loss over the study: `whole_in`, `whole_out`, `whole_out_once`, ratios; one row."""
    data = rows(results)
    sums = data[data["codec"].isin(["lossless", "container"])][_SIZES].sum()
    found = {name.replace("bytes", "whole"): [sums[name]] for name in _SIZES}
    frame = pd.DataFrame(found)
    return frame.assign(
        ratio=frame["whole_in"] / frame["whole_out"], ratio_once=frame["whole_in"] / frame["whole_out_once"]
    )


def zstd(results: Results) -> float:
    """Ratio of zstd level 3 over whole files, the authors' baseline."""
    data = results.elves_files[results.elves_files["model"].isin(results.originals["model"])]
    return float(data["bytes_in"].sum()) / float(data["bytes_zstd"].sum()) if len(data) else np.nan


def by_role(results: Results, bound: float = PUBLISHED) -> pd.DataFrame:
    """Every f32 layer through Elf whatever its role, beside no loss: what loss buys and costs, role by role."""
    data = rows(results)
    lossy = data[(data["codec"] == "everything") & np.isclose(data["error_bound"], bound)]
    found = _summed(lossy, ["role", "eligible"])
    kept = data[(data["codec"] == "lossless") & (data["dtype"] == "f32")]
    kept = kept.groupby(["role", "eligible"], as_index=False).agg(lossless=("bytes_out", "sum"))
    found = found.merge(kept, on=["role", "eligible"])
    return found.assign(
        relative_error=found["rmse"] / found["rms"], zeroed=found["n_zeroed"] / found["n_nonzero"],
        changed=found["n_changed"] / found["n_params"],
    )  # fmt: skip


def destroyed(results: Results) -> pd.DataFrame:
    """What part of the ratio comes from roles that should not lose anything: the study under four rules.

    Columns: rule, whole_in, whole_out_once, ratio_once.
    """
    data = rows(results)
    kept = data[data["codec"].isin(["lossless", "container"])]
    forced = data[data["codec"] == "everything"]
    spared = (kept["dtype"] != "f32") | (kept["role"] == "optimizer")
    rules = {
        "nothing lossy": (kept, forced.head(0)),
        "eligible weights lossy (the rule)": (kept[~kept["eligible"]], forced[forced["eligible"]]),
        "all f32 layers lossy but optimizer state": (kept[spared], forced[forced["role"] != "optimizer"]),
        "every f32 layer lossy, optimizer state too": (kept[kept["dtype"] != "f32"], forced),
    }
    found = [
        [rule, float(exactly["bytes_in"].sum() + lossy["bytes_in"].sum()),
         float(exactly["bytes_out_once"].sum() + lossy["bytes_out_once"].sum())]
        for rule, (exactly, lossy) in rules.items()
    ]  # fmt: skip
    frame = pd.DataFrame(found, columns=pd.Index(["rule", "whole_in", "whole_out_once"]))
    return frame.assign(ratio_once=frame["whole_in"] / frame["whole_out_once"])


def f32_weights(results: Results) -> pd.DataFrame:
    """Weights of f32 alone (every layer of that role and type): each method in its best setting at 2^-24.

    A layer that is not eligible is kept without loss by every method. `ratio` takes identical layers twice on both
    sides, `ratio_unique` once on both sides, `ratio_once` once in what comes out alone.
    """
    data = rows(results)
    weights = (data["role"] == "weight") & (data["dtype"] == "f32") & ~data["eligible"]
    rest = data[(data["codec"] == "lossless") & weights][_SIZES].sum()
    found = at(best(results), PUBLISHED)
    sums = {name: found[name] + rest[name] for name in _SIZES}
    return found.assign(
        ratio=sums["bytes_in"] / sums["bytes_out"],
        ratio_unique=sums["bytes_in_once"] / sums["bytes_out_once"],
        ratio_once=sums["bytes_in"] / sums["bytes_out_once"],
    )


def floor(results: Results) -> pd.DataFrame:
    """Bits a parameter at each bound: the entropy of the codes, corrected and plug-in, and every method at its best."""
    data = results.elves_floor[results.elves_floor["model"].isin(results.originals["model"])]
    sums = data.groupby("error_bound", as_index=False)[["n_params", "bits", "bits_plug_in"]].sum()
    found = {
        "floor (corrected)": sums["bits"] / sums["n_params"].astype("float64"),
        "plug-in (biased low)": sums["bits_plug_in"] / sums["n_params"].astype("float64"),
    }
    table = pd.DataFrame({"error_bound": sums["error_bound"], **found})
    reached = methods(results)
    reached = reached[~reached["setting"].str.startswith(DEFAULTS)]
    reached = reached.assign(bits=8 * reached["bytes_out"] / reached["n_params"])
    wide = reached.pivot_table(index="error_bound", columns="codec", values="bits", aggfunc="min").reset_index()
    ordered = [codec for codec in BOUNDED if codec in wide]
    merged = table.merge(wide[["error_bound", *ordered]], on="error_bound") if len(wide) else table
    return merged.sort_values("error_bound", ignore_index=True)


def steps(results: Results) -> pd.DataFrame:
    """The ablation: ratio with one step alone, and by what share the study grows without it.

    `all` has no deltas, which need the relative at hand; for `delta` the study with deltas added is what grows.
    """
    data = results.elves_steps[results.elves_steps["model"].isin(results.originals["model"])]
    sums = data.groupby(["step", "how"], as_index=False)[["bytes_in", "bytes_out"]].sum()
    wide = sums.pivot_table(index="step", columns="how", values="bytes_out", aggfunc="sum").astype("float64")
    if wide.empty:
        return pd.DataFrame(columns=pd.Index(["step", "ratio_alone", "grows"]))
    size_in, all_out = float(sums["bytes_in"].iloc[0]), float(wide["alone"]["all"])
    grows = wide["left out"] / all_out - 1
    if "added" in wide:
        grows = grows.fillna(all_out / wide["added"] - 1)
    return pd.DataFrame(
        {
            "step": wide.index,
            "ratio_alone": (size_in / wide["alone"]).to_numpy(),
            "grows": grows.to_numpy(),
        }
    )


def chosen(results: Results) -> pd.DataFrame:
    """Bytes in and out by the codec that Elves chose, by role."""
    data = results.choices[results.choices["model"].isin(results.originals["model"])]
    return data.groupby(["codec", "role"], as_index=False)[["bytes_in", "bytes_out"]].sum()


def published(results: Results) -> pd.DataFrame:
    """The published pipeline over the study: `counted` (as it was, or corrected), whole_in, whole_out, ratio."""
    data = results.elves_published[results.elves_published["model"].isin(results.originals["model"])]
    size_in = float(data["bytes_in"].sum())
    found = [
        [name, size_in, float(data[column].sum())]
        for name, column in (("as it was", "bytes_as_was"), ("corrected", "bytes_corrected"))
        if len(data)
    ]
    frame = pd.DataFrame(found, columns=pd.Index(["counted", "whole_in", "whole_out"]))
    return frame.assign(ratio=frame["whole_in"] / frame["whole_out"])


def lossless_peers(results: Results) -> pd.DataFrame:
    """Lossless methods as whole stores of files and of layers, as `views.compression` makes them: the best first.

    Columns: granularity, method, ratio (byte-weighted), median (of the models).
    """
    found = compression.overall(compression.stores(results))
    found = found[found["granularity"].isin(["file", "layer"])]
    return found[["granularity", "method", "ratio", "median"]].reset_index(drop=True)


def broken(results: Results) -> pd.DataFrame:
    """Every method, setting and bound that moved a value of a real model beyond the bound it was asked to keep."""
    found = methods(results)
    return found[found["n_beyond"] > 0].reset_index(drop=True)


def versions(results: Results) -> dict[str, str]:
    """Package and version that coded each method; empty for ours."""
    data = results.elves.drop_duplicates("codec")
    return dict(zip(data["codec"].astype(str), data["version"].astype(str), strict=True))


def timings(results: Results) -> pd.DataFrame:
    """What `analysis.bench.elves_peers` measured on this machine; empty when it did not.

    Columns: method, setting, threads, n_bytes, ratio, compress and decompress (MB/s of original bytes, medians).
    """
    local = results.folder.parent if results.folder.name == "tables" else results.folder / "local"
    path = local / TIMINGS
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=pd.Index(TIMED))


TIMINGS = "timings.csv"
TIMED = ["method", "setting", "threads", "n_bytes", "ratio", "compress", "decompress"]
