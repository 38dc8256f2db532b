"""Tables as text for a terminal, and sizes for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDEST = 44
NOTHING = "nothing was measured"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, widest: int = WIDEST) -> str:
    """A table with aligned columns; numbers to the right, long cells wrapped at `widest` characters."""
    cells = [[str(cell) for cell in row] for row in rows]
    wrapped = [[textwrap.wrap(cell, widest) or [""] for cell in row] for row in [list(header), *cells]]
    widths = [max(len(line) for row in wrapped for line in row[i]) for i in range(len(header))]
    right = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in wrapped:
        for k in range(max(map(len, row))):
            pieces = [(cell[k] if k < len(cell) else "") for cell in row]
            aligned = [
                piece.rjust(w) if r else piece.ljust(w) for piece, w, r in zip(pieces, widths, right, strict=True)
            ]
            lines.append("  ".join(aligned).rstrip())
    head = max(map(len, wrapped[0]))
    return "\n".join([*lines[:head], "  ".join("-" * width for width in widths), *lines[head:]])


def _is_number(cell: str) -> bool:
    return bool(cell) and (cell[0].isdigit() or cell[0] in "-+." or cell == "") and not cell[-1].isalpha()


def size(n_bytes: float) -> str:
    """Bytes in decimal units, as disks and registries count: 372.1 MB."""
    value, unit = float(n_bytes), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things: 1 file, 2 files; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def seconds(value: float) -> str:
    """A duration: 4 s, 3 min, 2.1 h."""
    if value < 90:
        return f"{max(1, round(value))} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"
