"""Wheels and archives for tests, made on the spot."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    """A zip archive, deflated."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_wheel(folder: Path, project: str, version: str, members: dict[str, bytes], tag: str = "py3-none-any") -> Path:
    """A wheel that pip accepts, with `members` beside its metadata."""
    info = f"{project}-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        f"{info}/RECORD": b"",
    }
    folder.mkdir(exist_ok=True)
    return write_zip(folder / f"{project}-{version}-{tag}.whl", members | metadata)


def sha256(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entry(wheel: Path, **more: object) -> str:
    """The wheel as an entry of a study, in YAML's flow style."""
    project, version = wheel.name.split("-")[:2]
    said = {"pypi": f"{project}=={version}", "file": wheel.name, "sha256": sha256(wheel), **more}
    return "{" + ", ".join(f"{key}: {value}" for key, value in said.items()) + "}"


def write_study(folder: Path, *entries: str) -> Path:
    """A study of one family."""
    path = folder / "mine.yaml"
    path.write_text(
        "families:\n  - name: f\n    task: t\n    models:\n" + "".join(f"      - {line}\n" for line in entries)
    )
    return path
