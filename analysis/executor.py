"""The one seam between a study and the machines that measure it: a `concurrent.futures` executor.

Processes of this machine by default, started by spawn: a worker that dies takes its pool with it, so the pool is made
anew and the units that were under way are tried again one at a time; the one that kills its worker alone is the one
reported. On a Dask cluster the scheduler does that.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.process import BaseProcess

from analysis.units import Outcome, Unit, run_unit
from elf.errors import ElfError

Work = Callable[[Unit], Outcome]


def run_here(units: Iterable[Unit], jobs: int, work: Work = run_unit) -> Iterator[Outcome]:
    """Outcomes of all units, as they come, from `jobs` processes of this machine; a crash costs one unit."""
    waiting = iter(units)
    while True:
        broken: list[Unit] = []
        with _pool(jobs) as pool:
            try:
                yield from _until_broken(pool, waiting, jobs, work, broken)
            except BaseException:
                _kill_workers()  # when interrupted, nobody waits for a long unit
                raise
        if not broken:
            return
        for unit in broken:
            yield _alone(unit, work)


def _until_broken(
    pool: Executor, waiting: Iterator[Unit], jobs: int, work: Work, broken: list[Unit]
) -> Iterator[Outcome]:
    """Keep `jobs` units under way until none is left or the pool breaks; `broken` then gets those under way."""
    running: dict[Future[Outcome], Unit] = {}
    while True:
        if not broken:
            for unit in islice(waiting, jobs - len(running)):
                try:
                    running[pool.submit(work, unit)] = unit
                except BrokenProcessPool:
                    broken.append(unit)
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            unit = running.pop(future)
            try:
                outcome = future.result()
            except BrokenProcessPool:
                broken.append(unit)
            else:
                yield outcome


def _alone(unit: Unit, work: Work) -> Outcome:
    with _pool(1) as pool:
        try:
            return pool.submit(work, unit).result()
        except BrokenProcessPool:
            return Outcome(
                unit.key,
                "Crash",
                f"{unit.path}: the process that measured it died (a crash in native code, or out of memory)",
            )


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_leave_with_parent)


def _kill_workers() -> None:
    for worker in multiprocessing.active_children():
        worker.kill()


def _leave_with_parent() -> None:
    """Workers end when the run does, however it ended: kill -9 of the run must not leave workers behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run itself decides what an interruption means
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def run_on_dask(units: Iterable[Unit], address: str, work: Work = run_unit) -> Iterator[Outcome]:
    """Outcomes of all units from an existing Dask cluster that shares this machine's file system.

    Raises ElfError when the scheduler cannot be reached, or its workers run other versions than this process.
    """
    from distributed import Client, KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        client = Client(address, timeout="15s", set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ElfError(f"{address}: no Dask scheduler answers there; start one with: dask scheduler") from error
    with client:
        _check_workers(client, address)
        executor = client.get_executor(pure=False)
        running = {executor.submit(work, unit): unit for unit in units}
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                unit = running.pop(future)
                try:
                    yield future.result()
                except (CancelledError, CommClosedError) as error:
                    raise ElfError(f"{address}: the cluster went away; what was finished is kept, run again") from error
                except KilledWorker:
                    yield Outcome(unit.key, "Crash", f"{unit.path}: every worker that measured it died")


def _check_workers(client: object, address: str) -> None:
    from analysis.provenance import versions

    theirs = client.run(versions)  # type: ignore[attr-defined]
    if not theirs:
        raise ElfError(f"{address}: the scheduler has no workers; start some with: dask worker {address}")
    ours = versions()
    for worker, found in theirs.items():
        if other := {name: found.get(name) for name in ours if found.get(name) != ours[name]}:
            raise ElfError(
                f"{worker}: runs other versions than this process ({other}); install the same requirements.lock there"
            )
