"""Similarity as it is shown: distributions that count the pairs without a row, recall, values beside noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.results import Results

SHINGLES = ("chunk", "layer", "parameter", "value")
REFERENCE = "datasketch"


SUMMARY = (
    "shingle",
    "relatives",
    "strangers",
    "relatives alike",
    "strangers alike",
    "median relatives",
    "median strangers",
    "largest stranger",
    "largest null",
)


def pairs(results: Results, shingle: str, method: str = REFERENCE) -> pd.DataFrame:
    """The pairs of one shingle of which anything is above zero, the most alike first."""
    data = results.similarity
    data = data[(data["shingle"] == shingle) & (data["method"] == method)]
    return data.sort_values(["jaccard_exact", "a", "b"], ascending=[False, True, True], ignore_index=True)


def n_pairs(results: Results, shingle: str) -> tuple[int, int]:
    """How many pairs of relatives and of strangers were counted, those without a row included."""
    rows = results.kinship
    rows = rows[(rows["shingle"] == shingle) & (rows["method"] == "exact") & (rows["relation"] == "family")]
    return (int(rows["n_relatives"].iloc[0]), int(rows["n_strangers"].iloc[0])) if len(rows) else (0, 0)


def distributions(results: Results, shingle: str) -> dict[str, NDArray[np.float64]]:
    """Exact similarities within and between families and with stand-ins, sorted, zeros of pairs without a row added."""
    data = pairs(results, shingle).dropna(subset=["jaccard_exact"])
    relatives, strangers = n_pairs(results, shingle)
    kin = data["relation"] != "stranger"
    return {
        "within a family": _with_zeros(data.loc[kin, "jaccard_exact"], relatives),
        "between families": _with_zeros(data.loc[~kin, "jaccard_exact"], strangers),
        "with stand-ins (null)": _with_zeros(data["jaccard_null"], relatives + strangers),
    }


def _with_zeros(values: pd.Series, n: int) -> NDArray[np.float64]:
    known = values.to_numpy(np.float64)
    return np.sort(np.concatenate((np.zeros(n - known.size), known)))


def summary(results: Results, above: float = 0.5) -> pd.DataFrame:
    """One row a shingle: pairs of relatives and strangers, how many are alike by `above`, medians, the largest null."""
    rows = []
    for shingle in SHINGLES:
        kin, strange, null = distributions(results, shingle).values()
        if kin.size + strange.size:
            alike = [int((values >= above).sum()) for values in (kin, strange)]
            largest = [values.max(initial=0.0) for values in (strange, null)]
            rows.append([shingle, kin.size, strange.size, *alike, _median(kin), _median(strange), *largest])
    return pd.DataFrame(rows, columns=pd.Index(SUMMARY))


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if values.size else float("nan")


def recall(results: Results) -> pd.DataFrame:
    """The table `lsh` with recall, precision and the share of all pairs that is compared."""
    data = results.lsh
    numbers = {name: data[name].astype("float64") for name in ("n_pairs", "n_candidates", "n_exact_above", "n_found")}
    return data.assign(
        recall=numbers["n_found"] / numbers["n_exact_above"].replace(0, np.nan),
        precision=numbers["n_found"] / numbers["n_candidates"].replace(0, np.nan),
        compared=numbers["n_candidates"] / numbers["n_pairs"].replace(0, np.nan),
    )


def noise(results: Results) -> pd.DataFrame:
    """`value_noise` with the Jaccard similarity of each file's float values and its noise."""
    data = results.value_noise
    union = (data["n_values"] + data["n_noise"] - data["n_shared"]).astype("float64")
    return data.assign(jaccard=data["n_shared"].astype("float64") / union.replace(0, np.nan))


def estimates(results: Results) -> pd.DataFrame:
    """Every estimate beside the exact answer, in standard errors of a sketch of the exact similarity."""
    data = results.similarity.dropna(subset=["jaccard_exact"])
    exact = data["jaccard_exact"]
    expected = np.sqrt(exact * (1 - exact) / data["permutations"].astype("float64"))
    return data.assign(error=data["jaccard"] - exact, expected_error=expected)


def beside_noise(results: Results) -> pd.DataFrame:
    """One row a file and float type: its values' similarity with noise of its shape, and with the nearest relative's.

    The relative is the file of its family whose set of values is nearest; `by chance` is the null of this pair.
    """
    data = pairs(results, "value")
    kin = data[data["relation"] != "stranger"]
    sides = [kin.rename(columns={side: "file", other: "relative"}) for side, other in (("a", "b"), ("b", "a"))]
    both = pd.concat(sides).sort_values(["jaccard_exact", "relative"], ascending=[False, True])
    nearest = both.drop_duplicates("file")[["file", "relative", "jaccard_exact", "jaccard_null"]]
    found = noise(results)[["file", "dtype", "n_params", "jaccard"]].merge(nearest, on="file", how="left")
    found = found.sort_values(["n_params", "file"], ascending=[False, True], ignore_index=True)
    names = {"jaccard": "with noise", "jaccard_exact": "with the relative", "jaccard_null": "by chance"}
    return found.rename(columns=names)


def above_chance(results: Results, shingle: str = "value") -> pd.DataFrame:
    """The pairs of one shingle with what they share beyond the null, the most first."""
    data = pairs(results, shingle)
    data = data.assign(excess=data["jaccard_exact"] - data["jaccard_null"])
    columns = ["a", "b", "relation", "jaccard_exact", "jaccard_null", "excess"]
    return data.sort_values("excess", ascending=False, kind="stable", ignore_index=True)[columns]


def agreement(results: Results) -> pd.DataFrame:
    """One row a method: pairs, share of the estimates within two standard errors, the mean error."""
    data = estimates(results)
    data = data[data["jaccard_exact"].between(0, 1, inclusive="neither")]
    within = data["error"].abs() <= 2 * data["expected_error"]
    grouped = data.assign(within=within).groupby(["method", "scheme", "seed"], as_index=False)
    names = {"within": "within two standard errors", "error": "mean error"}
    return grouped.agg(pairs=("error", "size"), within=("within", "mean"), error=("error", "mean")).rename(
        columns=names
    )
