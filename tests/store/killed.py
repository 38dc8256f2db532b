"""Runs one verb of a store again and again in child processes, each ended a step later than the one before.

    python killed.py kill|fill STORE VERB SOURCE OUT

A step is anything that changes, or may change, a file in the child's copy of STORE, OUT/<step>. With `kill` it is
killed by SIGKILL just before that step; with `fill` no file of the copy may grow beyond <step> * 500 bytes, as on a
disk that is full.
Ends with the first child that reaches its end, and prints how many did not.
"""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import numpy as np

import elf
from elf.errors import ElfError
from elf.rule import Rule
from elf.store import Store

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR


def killed_at(step: int, folder: Path) -> None:
    """Have this process killed before its step number `step` on a file within `folder`."""
    seen = itertools.count(1)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        changes = event in EVENTS and (event != "open" or int(str(arguments[2])) & WRITING)
        if changes and str(arguments[0]).startswith(str(folder)) and next(seen) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def run(verb: str, store: Store, source: Path) -> None:
    """One verb."""
    if verb == "add":
        store.add(source, "new", rule=Rule(lossless=True))
    elif verb == "gc":
        store.gc()
    elif verb == "remove":
        store.remove("old")
    else:
        store.restore("old", source)


def child(how: str, step: int, verb: str, copy: Path, source: Path) -> int:
    """What becomes of a child: 0 done, 1 an ElfError."""
    if how == "kill":
        killed_at(step, copy)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300 * step, 300 * step))
    try:
        run(verb, Store(copy), source)
    except ElfError:
        return 1
    return 0


def warm_up() -> None:
    """Load what coding loads, once for all children; no thread is started, since those are not inherited."""
    values = np.random.default_rng(0).normal(size=1000).astype("<f4")
    elf.decode(elf.encode(values, lossless=True, relative=values[::-1].copy()), relative=values[::-1].copy())


def main(how: str, template: Path, verb: str, source: Path, out: Path) -> None:
    """See above."""
    warm_up()
    for step in itertools.count(1):
        shutil.copytree(template, out / str(step))
        process = os.fork()
        if process == 0:
            os._exit(child(how, step, verb, out / str(step), source))
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status == 0:
            break
        assert status == (-signal.SIGKILL if how == "kill" else 1), status
    print(step - 1)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
