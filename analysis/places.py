"""Where things are kept: every folder the project writes to has its name here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from elf.errors import ElfError

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Places:
    """The cache (pulled models, shards: can be deleted and made again) and the folder that holds results."""

    cache: Path
    results: Path

    @property
    def shards(self) -> Path:
        """Measured shards, keyed by names, content and method, shared by all studies."""
        return self.cache / "shards"

    @property
    def work(self) -> Path:
        """Scratch space of running steps."""
        return self.cache / "work"

    def study(self, name: str) -> Path:
        """Where a study's tables are, or were published to."""
        return self.results / name

    def local(self, name: str) -> Path:
        """What a run makes on this machine only: figures, notebooks, the report, run.json; never in git."""
        return self.results / name / "local"

    def tables(self, name: str) -> Path:
        """Where a run writes a study's tables: published ones are never overwritten, their fresh copies are local."""
        return self.local(name) / "tables" if is_published(self.study(name)) else self.study(name)


def name_caches(cache: Path) -> None:
    """Give what libraries keep between runs a place in the cache, unless the environment names another.

    And one thread to NumPy's matrix products: units are what runs in parallel.
    """
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    for variable, folder in (("NUMBA_CACHE_DIR", "numba"), ("MPLCONFIGDIR", "matplotlib"), ("IPYTHONDIR", "ipython")):
        os.environ.setdefault(variable, str(cache / folder))


def is_published(study: Path) -> bool:
    """Whether `make publish` made the tables in this folder."""
    return (study / "published.json").exists()


def places(cache: Path | None = None, results: Path | None = None) -> Places:
    """The folders given; else those that ELVES_CACHE and ELVES_RESULTS name; else .cache and results in the project."""
    chosen_cache = cache or Path(os.environ.get("ELVES_CACHE") or PROJECT / ".cache")
    chosen_results = results or Path(os.environ.get("ELVES_RESULTS") or PROJECT / "results")
    return Places(chosen_cache.expanduser().absolute(), chosen_results.expanduser().absolute())


def usable(folder: Path) -> Path:
    """The folder, made if needed. Raises ElfError when it cannot be written to, saying which option moves it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ElfError(
            f"{folder}: cannot be written to ({error.strerror}); give --cache DIR and --results DIR on a disk that can"
        ) from error
    return folder
