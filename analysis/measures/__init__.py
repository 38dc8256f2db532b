"""The measures there are. A new one is a new file here and one line below."""

from __future__ import annotations

from analysis.measures import compression, entropy, hash_dedup, zstd_beyond
from analysis.measures.base import AnyMeasure

_ALL: tuple[AnyMeasure, ...] = (
    hash_dedup.MEASURE,
    compression.MEASURE,
    entropy.MEASURE,
    zstd_beyond.MEASURE,
)

MEASURES: dict[str, AnyMeasure] = {measure.name: measure for measure in _ALL}
"""Every measure by the name that a study's YAML gives it."""
