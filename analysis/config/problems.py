"""How mistakes in a configuration are told: where each is, what is wrong, and the valid name nearest to it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from elf.errors import ElfError

Location = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: `line` counts from 1, 0 means the whole file; `key` is the path to the value."""

    file: Path
    line: int
    key: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.key} - {self.reason}" if self.key else f"{place}: {self.reason}"


class ConfigError(ElfError):
    """Everything that is wrong with a study's files, all at once: one problem a line."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[list[Problem]]]:
        return ConfigError, (self.problems,)


def key_path(location: Location) -> str:
    """`("families", 0, "name")` as `families[0].name`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def nearest(name: object, valid: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the valid name nearest to `name`, or the valid names when none is near."""
    names = sorted(valid)
    near = difflib.get_close_matches(str(name), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid here: {', '.join(names)}" if 0 < len(names) <= 20 else ""
