"""Sources: every model entry of a study becomes verified files on disk, pinned to a revision or a sha256."""

from analysis.sources.base import Model, SourceFailure, WeightFile
from analysis.sources.errors import SourceError
from analysis.sources.hub import tree
from analysis.sources.pull import Pulled, pull, pull_data, pull_one

__all__ = ["Model", "Pulled", "SourceError", "SourceFailure", "WeightFile", "pull", "pull_data", "pull_one", "tree"]
