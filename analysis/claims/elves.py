"""What Elves comes to beside the published claims: the published method here, ours, and the peers at their best."""

from __future__ import annotations

import pandas as pd

from analysis.results import Results
from analysis.text import NOTHING
from analysis.views import elves as view


def elves_ratio(results: Results) -> tuple[str, str]:
    """Elves over the whole study, optimizer state without loss."""
    found = _published_bound(results)
    if found is None:
        return NOTHING, ""
    ours = found.loc["elves"]
    parts = [f"{ours['ratio_once']:.3f}x ({ours['ratio']:.3f}x with identical layers stored again)"]
    parts += [f"published pipeline {ratio:.3f}x {counted}" for ratio, counted in _pipeline(results)]
    peers = found.drop(index=["elves"])
    best = peers["ratio_once"].idxmax()
    parts.append(f"best peer {peers['ratio_once'].max():.3f}x ({best})")
    return "; ".join(
        parts
    ), "f32 weights within 2^-24, all else exact; the published pipeline loses in optimizer state too"


def elves_vs_zstd(results: Results) -> tuple[str, str]:
    """Against zstd level 3 over whole files."""
    found = _published_bound(results)
    if found is None:
        return NOTHING, ""
    baseline = view.zstd(results)
    ours = found.loc["elves"]
    text = [f"{ours['ratio_once'] / baseline:.2f}, without dedup {ours['ratio'] / baseline:.2f}"]
    text += [f"published pipeline {ratio / baseline:.2f} {counted}" for ratio, counted in _pipeline(results)]
    exact = float(view.lossless(results)["ratio_once"].iloc[0])
    text.append(f"Elves without loss {exact / baseline:.2f}")
    return "; ".join(text), f"zstd -3 over whole files reaches {baseline:.3f}x, and is lossless"


def elves_vs_sz3(results: Results) -> tuple[str, str]:
    """Against SZ3 on the same layers, at the same bound, in its best setting and in its defaults."""
    found = _published_bound(results)
    if found is None or "sz3" not in found.index:
        return NOTHING, ""
    unasked = view.at(view.defaults(results), view.PUBLISHED)
    defaults = float(unasked.loc[unasked["codec"] == "sz3", "ratio_once"].max())
    text = _against(found, "sz3", f" ({found['setting'].astype(str)['sz3']})")
    return f"{text}; its defaults {float(found['ratio_once']['elves']) / defaults:.2f}", _SAME


def elves_vs_quantization(results: Results) -> tuple[str, str]:
    """Against uniform quantization with packed codes; with its codes entropy-coded it is Elf."""
    found = _published_bound(results)
    if found is None or "uniform" not in found.index:
        return NOTHING, ""
    return f"{_against(found, 'uniform', ' (codes packed)')}; entropy-coded it is Elf itself: 1", _SAME


_SAME = "same layers, same bound, same lossless fallback, identical layers once on both sides"


def _published_bound(results: Results) -> pd.DataFrame | None:
    """Every bounded method in its best setting at 2^-24, by name; None when Elves was not measured."""
    found = view.at(view.best(results), view.PUBLISHED).set_index("codec")
    return found if "elves" in found.index else None


def _pipeline(results: Results) -> list[tuple[float, str]]:
    """The published pipeline's ratio, and how it was counted."""
    found = view.published(results)
    return list(zip(found["ratio"].astype(float), found["counted"].astype(str), strict=True))


def _against(found: pd.DataFrame, peer: str, how: str) -> str:
    ratios = {str(name): float(ratio) for name, ratio in found["ratio_once"].items()}
    text = f"{ratios['elves'] / ratios[peer]:.2f}{how}"
    if "elf-published" in ratios:
        text += f"; published layout {ratios['elf-published'] / ratios[peer]:.2f}"
    return text


MEASURED = {
    "elves_ratio": elves_ratio,
    "elves_vs_zstd": elves_vs_zstd,
    "elves_vs_sz3": elves_vs_sz3,
    "elves_vs_quantization": elves_vs_quantization,
}
