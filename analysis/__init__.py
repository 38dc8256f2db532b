"""The study: which models, which measures, and the tables they lead to.

import analysis
study = analysis.load("default")
study.hash_dedup            # a typed frame, one attribute a table
study.dedup()               # whole stores with their ratios
"""

from analysis.results import Results, load

__all__ = ["Results", "load"]
