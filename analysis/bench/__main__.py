"""Print the speed of every stage, beside the speed of copying memory in the same run."""

from __future__ import annotations

import sys

from analysis.bench import hash_dedup, workers
from analysis.bench.timing import report

if __name__ == "__main__":
    sys.stdout.write(report("hash deduplication, one core", hash_dedup.stages()))
    sys.stdout.write(workers.speedup())
