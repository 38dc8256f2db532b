"""What parameters are like: exponents, repeats, and what they say about formats and codes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.results import Results
from elf.tensor import DTYPES

EXPONENT_BITS = {"f16": 5, "bf16": 8, "f32": 8, "f64": 11, "f8_e4m3": 4, "f8_e4m3fnuz": 4, "f8_e5m2": 5,
                 "f8_e5m2fnuz": 5, "f8_e8m0": 8}  # fmt: skip
"""Width of the exponent field of each float type."""

LOWEST = {"f16": -15, "bf16": -127, "f32": -127, "f64": -1023, "f8_e4m3": -7, "f8_e4m3fnuz": -8, "f8_e5m2": -15,
          "f8_e5m2fnuz": -16, "f8_e8m0": -128}  # fmt: skip
"""The exponent that zeros and subnormal numbers have in the table `exponents`; f8_e8m0 has none of these."""


def of_originals(results: Results, table: str) -> pd.DataFrame:
    """The rows of a table that are about models that were pulled, not made here."""
    rows = results.tables[table]
    return rows[rows["model"].isin(results.originals["model"])]


def exponents(results: Results, by: list[str]) -> pd.DataFrame:
    """Float parameters over the study by exponent and `by` (dtype must be among them)."""
    rows = of_originals(results, "exponents")
    rows = rows[rows["dtype"].isin(EXPONENT_BITS)]
    return rows.groupby([*by, "exponent"], as_index=False)[["n", "n_negative"]].sum()


def entropies(results: Results, by: list[str]) -> pd.DataFrame:
    """Order-0 entropy of the exponent field in bits beside its width; `common`: the share of its 16 commonest values.

    A plug-in estimate: with at most 2,048 values and many more parameters its bias is below (values - 1) / (2 n ln 2).
    """
    data = exponents(results, by)
    rows = [[*_names(name), *_entropy(group["n"].to_numpy("float64"))] for name, group in data.groupby(by)]
    found = pd.DataFrame(rows, columns=pd.Index([*by, "n_params", "n_exponents", "entropy_bits", "common"]))
    found["field_bits"] = found["dtype"].map(EXPONENT_BITS)
    return found


def _names(name: object) -> tuple[object, ...]:
    return name if isinstance(name, tuple) else (name,)


def _entropy(counts: np.ndarray) -> tuple[int, int, float, float]:
    share = counts / counts.sum()
    bits = float(-(share * np.log2(share)).sum()) + 0.0
    return int(counts.sum()), len(counts), bits, float(np.sort(share)[::-1][:16].sum())


def unit_interval(results: Results, scope: str) -> pd.DataFrame:
    """Share of float parameters in (-1, 1) by name of a scope (model, family, study, role) and dtype."""
    rows = results.parameters
    rows = rows[(rows["scope"] == scope) & rows["n_in_unit_interval"].notna()]
    if scope == "model":
        rows = rows[rows["name"].isin(results.originals["model"])]
    return _shares(rows, {"in_unit_interval": "n_in_unit_interval", "zero": "n_zero"})


def saved_wider(results: Results) -> pd.DataFrame:
    """Of the parameters of each model in f32 and f64 the share that f16 and bf16 hold exactly, zeros apart.

    Where a short type holds nearly all of them the model was saved wider than it was trained, or rounded since.
    """
    rows = results.parameters
    rows = rows[(rows["scope"] == "model") & rows["dtype"].isin(["f32", "f64"])]
    rows = rows[rows["name"].isin(results.originals["model"])]
    nonzero = rows["n_params"] - rows["n_zero"]
    rows = rows.assign(**{name: rows[name] - rows["n_zero"] for name in ("n_f16_exact", "n_bf16_exact")})
    return _shares(rows.assign(n_params=nonzero), {"f16_exact": "n_f16_exact", "bf16_exact": "n_bf16_exact"})


def _shares(rows: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    size = rows["n_params"].astype("float64")
    shares = {share: rows[count].astype("float64") / size.where(size > 0) for share, count in columns.items()}
    found: pd.DataFrame = rows[["name", "dtype", "n_params"]].assign(**shares)
    return found.reset_index(drop=True)


def repeats(results: Results) -> pd.DataFrame:
    """By dtype over the study: the share of parameters whose pattern last occurred so far back (-1: never before)."""
    rows = of_originals(results, "repeats").groupby(["dtype", "log2_distance"], as_index=False)["n"].sum()
    size = rows.groupby("dtype")["n"].transform("sum").astype("float64")
    found: pd.DataFrame = rows.assign(share=rows["n"].astype("float64") / size)
    return found


def distance_encoding(results: Results, by: list[str]) -> pd.DataFrame:
    """What distance encoding takes, exactly, from the distances alone; `by` holds dtype.

    Of a first sighting a bit and the value itself; of a repeat a bit, 5 bits for the length of the distance, and the
    distance (Su et al., PVLDB 17(8), 2024, as their public code has it). Headers are left out.
    """
    rows = of_originals(results, "repeats")
    width = rows["dtype"].map({name: 8 * kind.block_bytes for name, kind in DTYPES.items()}).astype("Int64")
    first = rows["log2_distance"] < 0
    bits = (1 + width).where(first, 1 + 5 + rows["log2_distance"] + 1)
    rows = rows.assign(bits_in=rows["n"] * width, bits_out=rows["n"] * bits, n_first=rows["n"].where(first, 0))
    data = rows.groupby(by, as_index=False)[["n", "n_first", "bits_in", "bits_out"]].sum()
    share = 1 - data["n_first"].astype("float64") / data["n"].astype("float64")
    ratio = data["bits_in"].astype("float64") / data["bits_out"].astype("float64")
    sizes = {"bytes_in": data["bits_in"] // 8, "bytes_out": -(-data["bits_out"] // 8)}
    found: pd.DataFrame = data.assign(**sizes, repeats=share, ratio=ratio)
    return found[[*by, "n", "n_first", "repeats", "bytes_in", "bytes_out", "ratio"]]


def magnitudes(results: Results) -> pd.DataFrame:
    """By role and dtype over the study: range, mean and root mean square of the finite values."""
    rows = of_originals(results, "magnitudes")
    how = {"n_finite": "sum", "minimum": "min", "maximum": "max", "sum": "sum", "sum_squares": "sum"}
    data = rows.groupby(["role", "dtype"], as_index=False).agg(how)
    size = data["n_finite"].astype("float64")
    return data.assign(mean=data["sum"] / size, rms=np.sqrt(data["sum_squares"] / size))[
        ["role", "dtype", "n_finite", "minimum", "maximum", "mean", "rms"]
    ]
