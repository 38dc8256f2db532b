"""Pieces become objects: each distinct one once, and only those that are not there yet are coded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import xxhash

from elf.errors import ElfError
from elf.payload import in_order
from elf.store.coding import code
from elf.store.manifest import Recipe
from elf.store.objects import Objects, Staged
from elf.store.relatives import best_relative, read_base
from elf.store.tasks import Place, Task

BATCH = 256
"""Objects that are synced and published together: a writer that is killed loses no more than these."""

Progress = Callable[[int], None]
"""Told how many more original bytes are stored."""


@dataclass
class Storing:
    """Stores tasks. `relatives` gives the files that new pieces may be coded against; asked once there are some."""

    objects: Objects
    jobs: int
    progress: Progress
    relatives: Callable[[], Iterable[Recipe]]
    staged: Staged = field(init=False)

    def __post_init__(self) -> None:
        self.staged = Staged(self.objects.places)

    def store(self, tasks: Sequence[Task]) -> list[str]:
        """The key of the object of each task. Raises ElfError when a piece changes, or cannot be written."""
        keys: dict[str, str] = {}
        distinct = {task.name: task for task in tasks}
        try:
            for rounded in (False, True):  # a piece that somebody needs exactly is not stored rounded too
                group = [task for task in distinct.values() if (task.step is not None) == rounded]
                keys |= self._group(group)
        finally:
            self.staged.discard()
        return [keys[task.name] for task in tasks]

    def _group(self, tasks: Sequence[Task]) -> dict[str, str]:
        keys: dict[str, str] = {}
        missing = []
        for task, key in zip(tasks, in_order(self._there, tasks, self.jobs), strict=True):
            if key is None:
                missing.append(task)
            else:
                keys[task.name] = key
        bases = best_relative(missing, self.relatives(), self.objects) if missing else {}
        for batch in _batches(missing):
            coded = in_order(lambda task: self._code(task, bases), batch, self.jobs)
            keys |= {task.name: key for task, key in zip(batch, coded, strict=True)}
            self.staged.publish(self.objects)
        return keys

    def _there(self, task: Task) -> str | None:
        """The undamaged object that holds the piece already: an exact one first, which is good for anything."""
        found = (key for key in (task.key, task.name) if self.objects.whole(key, task.nbytes))
        if (key := next(found, None)) is not None:
            self.progress(task.nbytes)
        return key

    def _code(self, task: Task, bases: dict[Place, str]) -> str:
        data = task.take()
        if xxhash.xxh3_64_intdigest(data.data) != task.check:
            raise ElfError("a file was changed while it was read: add the model again")
        near = bases.get(task.place)
        base = None if near is None else read_base(near, task.nbytes, self.objects)
        coded = code(data, task.key, task.dtype, task.step, base)
        self.staged.add(coded.key, coded.header, coded.payload, task.nbytes)
        self.progress(task.nbytes)
        return coded.key


def _batches(tasks: Sequence[Task]) -> Iterator[Sequence[Task]]:
    return (tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH))
