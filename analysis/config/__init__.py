"""The configuration of a study: a YAML file, the files it includes, checked as a whole before any work."""

from analysis.config.entries import (
    DEFAULT_WEIGHTS,
    Derivation,
    DeriveEntry,
    Entry,
    HubCacheEntry,
    HubEntry,
    ModelEntry,
    PathEntry,
    PypiEntry,
    Reshard,
    Strict,
)
from analysis.config.load import Family, Study, load_study
from analysis.config.problems import ConfigError, Problem

__all__ = [
    "DEFAULT_WEIGHTS", "ConfigError", "Derivation", "DeriveEntry", "Entry", "Family", "HubCacheEntry", "HubEntry",
    "ModelEntry", "PathEntry", "Problem", "PypiEntry", "Reshard", "Strict", "Study", "load_study",
]  # fmt: skip
