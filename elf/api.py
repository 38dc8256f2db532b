"""The functions over whole files: what `import elf` offers beside `encode` and `decode`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from elf.bound import Bound
from elf.container import ElvesFile
from elf.errors import ElfError
from elf.export import export
from elf.restore import restore
from elf.rule import Rule
from elf.writer import Summary, compress_file

Progress = Callable[[int], None]
"""Called with the number of bytes that were done since the last call."""


def open(path: str | Path) -> ElvesFile:
    """Open an Elves file as a mapping from tensor names to arrays; each is decoded when it is asked for, alone.

    Raises ElfError when the file is no Elves file, damaged, or written by a newer version. See `ElvesFile`.
    """
    return ElvesFile(path)


def load_file(path: str | Path) -> dict[str, NDArray[Any]]:
    """All tensors of an Elves file by name, like `safetensors.numpy.load_file`. Raises ElfError as `open` does."""
    with ElvesFile(path) as file:
        return dict(file)


def compress(
    source: str | Path,
    target: str | Path,
    *,
    lossless: bool = False,
    bound: float | Bound | None = None,
    lossy: Sequence[str] = (),
    keep: Sequence[str] = (),
    jobs: int = 1,
    progress: Progress | None = None,
) -> Summary:
    """Write the Elves file `target` from a model file of any format that `elf.formats` reads.

    Weights are lossy only where the rule in `elf.rule` allows it; `bound` (an absolute error, or a `Bound`) takes the
    place of the types' own bounds. `lossy` and `keep` are patterns of names that overrule it. `jobs` threads give the
    same bytes as one. Raises ElfError when something cannot be read or written, or contradicts itself.
    """
    kept = Bound("absolute", bound) if isinstance(bound, int | float) else bound
    rule = Rule(lossless, kept, tuple(lossy), tuple(keep))
    return compress_file(Path(source), Path(target), rule=rule, jobs=jobs, progress=progress)


def decompress(
    source: str | Path,
    target: str | Path,
    *,
    to: str | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Write the original file from the Elves file `source`; with `to="safetensors"`, a safetensors file instead.

    The original comes back byte for byte, but for the values of lossy tensors, which are within their bound, and the
    container's checksums over these. Raises ElfError when the source is damaged or the target cannot be written.
    """
    if to not in (None, "safetensors"):
        raise ElfError(f"{to!r}: an Elves file is restored to its original format, or to 'safetensors'")
    with ElvesFile(source) as file:
        if Path(target).exists() and Path(target).samefile(source):
            raise ElfError(f"{target}: is the input itself: choose another name")
        (restore if to is None else export)(file, Path(target), jobs=jobs, progress=progress)
