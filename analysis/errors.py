"""Errors that are told from others by where they lead."""

from __future__ import annotations

from elf.errors import ElfError


class UsageError(ElfError):
    """A call that names something that is not there: exit code 2, nothing was started."""
