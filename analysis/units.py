"""A unit of work: a part of a measure over one model file or a group of them, making one shard.

Pure, idempotent, safe to run twice.
"""

from __future__ import annotations

import resource
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from elf.errors import ElfError

State = tuple[str, int, int, int]
"""A file's path, size, modification time in nanoseconds and inode."""


def state_of(path: Path) -> State:
    """What tells that a file is still the same one. Raises OSError when it is gone."""
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns, status.st_ino


@dataclass(frozen=True)
class Unit:
    """What a worker is told: the files, the measure and its parameters, and where the shard goes."""

    key: str
    measure: str
    params: dict[str, object]
    paths: tuple[Path, ...]
    bytes: int
    shards: Path
    states: tuple[State, ...] = ()
    """What each part of the files was when its content was taken for the key."""

    @property
    def path(self) -> Path:
        """The file, or the first of them: for messages."""
        return self.paths[0]


@dataclass(frozen=True)
class Outcome:
    """What a worker answers: the error's kind and reason when the unit failed, seconds, peak resident bytes."""

    key: str
    error: str = ""
    reason: str = ""
    seconds: float = 0.0
    peak_bytes: int = 0


def run_unit(unit: Unit) -> Outcome:
    """Measure one unit and write its shard. Whatever is wrong with the file comes back as an outcome, never raised."""
    started = time.perf_counter()
    try:
        _measure(unit)
    except ElfError as error:
        return Outcome(unit.key, type(error).__name__, str(error))
    except MemoryError:
        return Outcome(unit.key, "MemoryError", f"{unit.path}: not enough memory to measure this file")
    except OSError as error:
        return Outcome(unit.key, type(error).__name__, f"{error.filename or unit.path}: {error.strerror or error}")
    except Exception as error:  # one file must not stop a study
        return Outcome(
            unit.key, type(error).__name__, f"{unit.path}: unexpected {type(error).__name__}: {error}; please report it"
        )
    return Outcome(unit.key, seconds=time.perf_counter() - started, peak_bytes=peak_bytes())


def _measure(unit: Unit) -> None:
    from analysis.measure import GroupMeasure
    from analysis.measures import MEASURES
    from analysis.shards import ShardWriter, is_done
    from elf.formats import open_model

    if is_done(unit.shards, unit.key):
        return
    measure = MEASURES[unit.measure]
    params = measure.params.model_validate(unit.params)
    with ExitStack() as stack, ShardWriter(unit.shards, unit.key) as shard:
        models = [stack.enter_context(open_model(path)) for path in unit.paths]
        if isinstance(measure, GroupMeasure):
            measure.run(models, params, shard.emit)
        else:
            measure.run(models[0], params, shard.emit)
        if any(state_of(Path(state[0])) != state for state in unit.states):
            raise ElfError(f"{unit.path}: changed while it was measured; run again when it is at rest")


def peak_bytes() -> int:
    """Peak resident memory of this process so far, in bytes.

    Linux's own account where there is one: getrusage starts from what the process that started this one held.
    """
    try:
        [line] = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
