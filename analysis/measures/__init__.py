"""The measures there are. A new one is a new file here and one line below."""

from __future__ import annotations

from analysis.measures import chunk_features, deltas, hash_dedup, relatives, resemblance, tensor_codes, twin_keys, twins
from analysis.measures.base import AnyMeasure

_ALL: tuple[AnyMeasure, ...] = (
    hash_dedup.MEASURE,
    tensor_codes.MEASURE,
    twin_keys.MEASURE,
    chunk_features.MEASURE,
    relatives.MEASURE,
    deltas.MEASURE,
    twins.MEASURE,
    resemblance.MEASURE,
)

MEASURES: dict[str, AnyMeasure] = {measure.name: measure for measure in _ALL}
"""Every measure by the name that a study's YAML gives it."""
