"""Progress on stderr: a bar where a person watches, nothing where none does."""

from __future__ import annotations

import sys
from typing import NoReturn

from tqdm import tqdm


def bar(what: str, *, total: int, unit: str = "it") -> tqdm[NoReturn]:
    """A progress bar that appears after a second, and only on a terminal."""
    scale = unit == "B"
    return tqdm(
        total=total,
        desc=what,
        unit=unit,
        unit_scale=scale,
        unit_divisor=1024 if scale else 1000,
        delay=1,
        disable=not sys.stderr.isatty(),
        leave=False,
    )


def say(line: str) -> None:
    """One line for the person who waits: on stderr, so that stdout holds results only."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201
