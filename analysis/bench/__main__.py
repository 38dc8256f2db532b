"""Print the speed of every stage beside the speed of copying memory, then what Elves makes of the default study."""

from __future__ import annotations

import sys

from analysis.bench import compression, elves, hash_dedup, similarity, workers
from analysis.bench.timing import report
from analysis.config import load_study
from analysis.places import PROJECT, places
from analysis.steps import pull_study

if __name__ == "__main__":
    sys.stdout.write(report("hash deduplication, one core", hash_dedup.stages()))
    sys.stdout.write(report("similarity, one core", similarity.stages()))
    sys.stdout.write(compression.report())
    sys.stdout.write(workers.speedup())
    pulled = pull_study(load_study(PROJECT / "configs" / "default.yaml"), places())
    sys.stdout.write(elves.report({model.name: [file.path for file in model.files] for model in pulled.models}))
