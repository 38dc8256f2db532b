"""The measures there are. A new one is a new file here and one line below."""

from __future__ import annotations

from analysis.measures import hash_dedup
from analysis.measures.base import Measure

MEASURES: dict[str, Measure] = {measure.name: measure for measure in (hash_dedup.MEASURE,)}
"""Every measure by the name that a study's YAML gives it."""
