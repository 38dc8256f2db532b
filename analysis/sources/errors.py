"""What can go wrong with a source."""

from __future__ import annotations

from elf.errors import ElfError


class SourceError(ElfError):
    """A model that cannot be had. `kind` is the short name in failures.csv, `file` the file at fault, if any."""

    def __init__(self, kind: str, reason: str, file: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.file = file


class UnreachableError(SourceError):
    """No answer at all: whoever asks next will get none either."""
