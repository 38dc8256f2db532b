"""A content-addressed store for many models: `Store`, and `elves store` on the command line."""

from elf.store.store import Store

__all__ = ["Store"]
