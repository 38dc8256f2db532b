"""The commands as a user runs them: in a process of their own, on folders of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
TINY = PROJECT / "tests" / "studies" / "tiny.yaml"
"""Hash deduplication alone: how a run behaves does not need every measure."""


def scratch_cache(folder: Path) -> Path:
    """A cache without shards that shares the project's pulled models."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models").symlink_to(PROJECT / ".cache" / "models")
    return folder


def command(*arguments: object, cache: Path, results: Path) -> list[str]:
    """`python -m analysis ...` with its folders."""
    return [sys.executable, "-m", "analysis", *map(str, arguments), "--cache", str(cache), "--results", str(results)]


def analysis(
    *arguments: object, cache: Path, results: Path, env: dict[str, str] | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        command(*arguments, cache=cache, results=results),
        cwd=PROJECT,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def tables(folder: Path) -> dict[str, bytes]:
    """The bytes of every CSV in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))}
