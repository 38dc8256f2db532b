"""Folders of verified files in the cache: they appear whole, under their final name, or not at all."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.sources.base import WeightFile, in_order
from analysis.sources.sums import Sums

RECORD = "files.json"
_PARTIAL = ".partial-"
_STALE_SECONDS = 86400


@contextlib.contextmanager
def partial(cache: Path) -> Iterator[Path]:
    """A scratch folder on the cache's disk, gone afterwards."""
    models = cache / "models"
    models.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=models))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_partials(cache: Path) -> None:
    """Remove what killed pulls left behind a day ago or earlier."""
    for folder in (cache / "models").glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def publish(made: Path, files: dict[str, tuple[int, str]], final: Path, note: dict[str, Any]) -> None:
    """Give the folder `made`, whose files are {name: (bytes, sha256)}, its final name.

    Whoever comes second with the same content finds it done and leaves it.
    """
    (made / RECORD).write_text(json.dumps({"about": note, "files": files}, indent=1) + "\n")
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(final)
    except OSError:
        if not (final / RECORD).exists():
            raise


def verified(final: Path, sums: Sums) -> tuple[WeightFile, ...] | None:
    """The files of a published folder, each checked against its sha256; None when it is absent or damaged."""
    try:
        recorded = json.loads((final / RECORD).read_bytes())["files"]
        intact = all(sums.sha256(final / name) == sha256 for name, (_, sha256) in recorded.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not intact:
        return None
    return in_order(WeightFile(name, final / name, size) for name, (size, _) in recorded.items())


def about(final: Path) -> dict[str, Any]:
    """What `publish` was told about the folder."""
    told: dict[str, Any] = json.loads((final / RECORD).read_bytes())["about"]
    return told


def discard(final: Path, scratch: Path) -> None:
    """Take a damaged folder out of the way."""
    with contextlib.suppress(FileNotFoundError):
        final.replace(scratch / "damaged")
