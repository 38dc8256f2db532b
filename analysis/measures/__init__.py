"""The measures there are. A new one is a new file here and one line below."""

from __future__ import annotations

from analysis.measures import elves, elves_family, hash_dedup
from analysis.measures.base import AnyMeasure

_ALL: tuple[AnyMeasure, ...] = (hash_dedup.MEASURE, elves.MEASURE, elves_family.MEASURE)

MEASURES: dict[str, AnyMeasure] = {measure.name: measure for measure in _ALL}
"""Every measure by the name that a study's YAML gives it."""
