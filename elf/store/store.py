"""A store for many models: everything that is there twice is kept once, and the rest as small as it gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elf.rule import Rule
from elf.store import checking, stats, sweeping
from elf.store.adding import Added, Adding
from elf.store.catalog import Catalog
from elf.store.checking import Verified
from elf.store.objects import Objects
from elf.store.places import Places
from elf.store.restoring import chosen, restore_unit, target_of
from elf.store.stats import Stats
from elf.store.storing import Progress
from elf.store.sweeping import Swept


@dataclass(frozen=True)
class Listed:
    """A model of a store, in a line."""

    name: str
    files: int
    bytes: int
    lossy: bool
    """Whether values of some tensors were rounded."""


def _silent(_: int) -> None:
    pass


class Store:
    """The folder `path` as a store.

    Any number of processes may add, restore, list and verify at the same time; gc waits for them and they for it. A
    process that is killed leaves the store as it was before, but for files that gc removes. Every method raises
    ElfError when the folder is no store, is of a newer version, or what it needs is missing or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._places = Places(self.path)

    def add(
        self,
        path: str | Path,
        name: str,
        *,
        rule: Rule | None = None,
        relative_to: str = "auto",
        jobs: int = 1,
        progress: Progress = _silent,
    ) -> Added:
        """Store a file, or all files of a folder, as model `name`; makes the store if there is none.

        `rule` says what may be lossy, as for `elf.compress`. Tensors are also tried as deltas against those of the same
        name, type and shape of a similar file: of any model ("auto"), of the model `relative_to`, or of none ("none").
        """
        self._places.create()
        self._places.check()
        with self._places.sharing():
            adding = Adding(self._catalog(), rule or Rule(), relative_to, jobs, progress)
            return adding.run(Path(path), name)

    def restore(
        self, name: str, to: str | Path, *, file: str | None = None, jobs: int = 1, progress: Progress = _silent
    ) -> list[Path]:
        """Write the files of a model, or the one of path `file` within it, into the folder `to`; returns their paths.

        What was added without loss comes back bit by bit. Files that are there already are replaced.
        """
        self._places.check()
        with self._places.sharing():
            catalog = self._catalog()
            done = []
            for unit in chosen(catalog.manifest(name), file):
                target = target_of(Path(to), unit.path)
                restore_unit(unit, catalog.recipe(unit), catalog.objects, target, jobs=jobs, progress=progress)
                done.append(target)
        return done

    def list(self) -> list[Listed]:
        """The models, sorted by name."""
        self._places.check()
        catalog = self._catalog()
        found = []
        for name in self._places.names():
            units = catalog.manifest(name).units
            files, size = sum(len(unit.sizes) for unit in units), sum(unit.nbytes for unit in units)
            found.append(Listed(name, files, size, any(unit.lossy is not None for unit in units)))
        return found

    def stats(self) -> Stats:
        """What each step saved."""
        self._places.check()
        with self._places.sharing():
            return stats.stats(self._catalog())

    def verify(self, *, jobs: int = 1, progress: Progress = _silent) -> Verified:
        """Read everything, decode everything, and tell what is damaged or missing."""
        with self._places.sharing():
            return checking.verify(self._catalog(), jobs, progress)

    def remove(self, name: str) -> None:
        """Forget a model; what only it needed goes with the next `gc`."""
        self._places.check()
        with self._places.sharing():
            self._catalog().remove(name)

    def gc(self, *, dry_run: bool = False) -> Swept:
        """Remove what no model needs, and what killed writers left; waits until nobody else uses the store."""
        self._places.check()
        with self._places.alone():
            return sweeping.sweep(self._catalog(), dry_run=dry_run)

    def _catalog(self) -> Catalog:
        return Catalog(self._places, Objects(self._places))
