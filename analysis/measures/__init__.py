"""The measures there are. A new one is a new file here and one line below."""

from __future__ import annotations

from analysis.measure import AnyMeasure
from analysis.measures import (
    accuracy,
    chunk_features,
    composition,
    compression,
    deltas,
    elves,
    elves_family,
    entropy,
    equal_parameters,
    hash_dedup,
    parameters,
    relatives,
    resemblance,
    similarity,
    tensor_codes,
    twin_keys,
    twins,
    zstd_beyond,
)

_ALL: tuple[AnyMeasure, ...] = (
    hash_dedup.MEASURE,
    compression.MEASURE,
    entropy.MEASURE,
    zstd_beyond.MEASURE,
    parameters.MEASURE,
    composition.MEASURE,
    similarity.MEASURE,
    equal_parameters.MEASURE,
    tensor_codes.MEASURE,
    twin_keys.MEASURE,
    chunk_features.MEASURE,
    relatives.MEASURE,
    deltas.MEASURE,
    twins.MEASURE,
    resemblance.MEASURE,
    elves.MEASURE,
    elves_family.MEASURE,
    *accuracy.MEASURES,
)

MEASURES: dict[str, AnyMeasure] = {measure.name: measure for measure in _ALL}
"""Every measure by the name that a study's YAML gives it."""
