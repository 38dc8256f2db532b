"""A content-addressed store for many models: `Store`, and `elves store` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elf.store.store import Store

__all__ = ["Store"]


def __getattr__(name: str) -> Any:
    """`Store`, imported when it is first used: a command that only prints its help must not load codecs."""
    if name != "Store":
        raise AttributeError(f"module 'elf.store' has no attribute {name!r}")
    from elf.store.store import Store

    return Store
