"""Notebooks: each is a .py file (for review) and an .ipynb made from it; executed on one study's tables."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

from analysis.places import PROJECT, Places
from analysis.progress import bar
from analysis.results import Results
from analysis.tables import TABLES, write_atomically
from elf.errors import ElfError

SOURCES = PROJECT / "notebooks"
STUDY_LINE = re.compile(r'^STUDY = ".*"', re.MULTILINE)
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def sources() -> list[Path]:
    """The notebooks' .py files, in order."""
    return sorted(SOURCES.glob("[0-9][0-9]_*.py"))


def execute_all(results: Results, places: Places, *, force: bool = False) -> list[Path]:
    """Execute every notebook on a study's tables; those that nothing changed for are left as they are.

    Raises ElfError when a cell fails, naming the notebook and the error.
    """
    folder, made = places.local(results.study) / "notebooks", []
    with bar("notebooks", total=len(sources()), unit="notebook") as progress:
        for source in sources():
            target = folder / f"{source.stem}.ipynb"
            stamp = _stamp(source, results)
            if force or not target.exists() or nbformat.read(target, 4).metadata.get("made_from") != stamp:
                notebook = execute(source, results.study, places)
                notebook.metadata["made_from"] = stamp
                write(notebook, target)
            made.append(target)
            progress.update()
    return made


def execute(source: Path, study: str, places: Places) -> nbformat.NotebookNode:
    """One notebook with its outputs, for the study given."""
    notebook = unexecuted(source)
    for cell in notebook.cells:
        cell.source = STUDY_LINE.sub(f'STUDY = "{study}"', cell.source)
    environment = os.environ | {"ELVES_RESULTS": str(places.results), "PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory(prefix="nb-") as scratch:
        client = _client(notebook, Path(scratch))
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise ElfError(f"{source.name}: a cell failed: {error.ename}: {error.evalue}") from error
    return _quiet(notebook)


def _client(notebook: nbformat.NotebookNode, scratch: Path) -> NotebookClient:
    """A kernel of this Python, reached through files: no port is opened, nothing is kept in the user's home."""
    ways = {"transport": "ipc", "ip": str(scratch / "k"), "connection_file": str(scratch / "kernel.json")}
    place = {"metadata": {"path": str(SOURCES)}}
    return NotebookClient(
        notebook, config=Config(KernelManager=ways), kernel_name=KERNEL["name"], timeout=600, resources=place
    )


def publish(study: str, places: Places) -> list[Path]:
    """Execute the committed notebooks that show this study, in place; those that show no study go with the default."""
    shown = [source for source in sources() if _study_of(source) == study]
    for source in shown:
        write(execute(source, study, places), source.with_suffix(".ipynb"))
    return shown


def _study_of(source: Path) -> str:
    found = STUDY_LINE.search(source.read_text(encoding="utf-8"))
    return found.group().split('"')[1] if found else "default"


def unexecuted(source: Path) -> nbformat.NotebookNode:
    """The notebook that a .py file stands for; cell ids count up, so that the same source is the same notebook."""
    notebook: nbformat.NotebookNode = jupytext.read(source)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata = nbformat.from_dict({})
    return notebook


def _quiet(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without what differs from one execution to the next."""
    notebook.metadata.language_info = nbformat.from_dict({"name": "python"})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return notebook


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write an .ipynb, atomically."""
    write_atomically(path, (nbformat.writes(notebook, 4).rstrip("\n") + "\n").encode())


def _stamp(source: Path, results: Results) -> str:
    state = hashlib.sha256(source.read_bytes())
    for path in sorted((PROJECT / "analysis").rglob("*.py")):
        state.update(path.read_bytes())
    for table in TABLES.values():
        state.update((results.folder / table.file).read_bytes())
    return state.hexdigest()
