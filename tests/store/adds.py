"""Adds, removes and collects in a store as one of several processes that do it at the same time.

python adds.py STORE SOURCE NAME TIMES       adds SOURCE as NAME, removes it and adds it again, TIMES times
python adds.py STORE gc - TIMES              collects TIMES times
"""

from __future__ import annotations

import sys
from pathlib import Path

from elf.rule import Rule
from elf.store import Store


def main(folder: str, source: str, name: str, times: int) -> None:
    """See above."""
    store = Store(folder)
    for turn in range(times):
        if source == "gc":
            store.gc()
        else:
            if turn:
                store.remove(name)
            store.add(Path(source), name, rule=Rule(lossless=True))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
