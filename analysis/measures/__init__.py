"""The measures there are. A new one is a new file here and one line below."""

from __future__ import annotations

from analysis.measures import accuracy, composition, equal_parameters, hash_dedup, parameters, similarity
from analysis.measures.base import AnyMeasure

_ALL: tuple[AnyMeasure, ...] = (
    hash_dedup.MEASURE,
    parameters.MEASURE,
    composition.MEASURE,
    similarity.MEASURE,
    equal_parameters.MEASURE,
    *accuracy.MEASURES,
)

MEASURES: dict[str, AnyMeasure] = {measure.name: measure for measure in _ALL}
"""Every measure by the name that a study's YAML gives it."""
