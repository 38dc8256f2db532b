"""What the commands share: options that several take, the rule they ask for, progress, tables and sizes as text."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from elf.errors import ElfError

if TYPE_CHECKING:
    from elf.bound import Bound
    from elf.rule import Rule

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class UsageError(ElfError):
    """A command line that contradicts itself."""


def command(commands: Commands, run: Callable[[argparse.Namespace], int | None], about: str) -> argparse.ArgumentParser:
    """A subcommand called like the function `run`, whose docstring describes it, with the options that all have."""
    made = commands.add_parser(run.__name__.strip("_"), help=about, description=run.__doc__)
    made.set_defaults(run=run)
    made.add_argument("--json", action="store_true", help="print JSON for a script")
    return made


def jobs(made: argparse.ArgumentParser) -> None:
    """The option for the number of threads."""
    default = os.cpu_count() or 1
    made.add_argument("--jobs", type=_positive, default=default, metavar="N", help="threads (default: %(default)s)")


def rule_options(made: argparse.ArgumentParser) -> None:
    """The options that say what may be lossy; `rule` reads them."""
    made.add_argument("--lossless", action="store_true", help="keep every bit of every tensor")
    made.add_argument("--bound", type=bound_of, metavar="B", help="largest error of a lossy value: 1e-6, 2^-20, "
                      "rms:1e-4 (relative to a tensor's RMS), max:1e-4 (to its maximum); default: f32 2^-24, f64 "
                      "2^-53, 16-bit floats lossless")  # fmt: skip
    made.add_argument("--lossy", action="append", default=[], metavar="PATTERN",
                      help="tensors that are lossy whatever their role and size; can be repeated")  # fmt: skip
    made.add_argument("--keep", action="append", default=[], metavar="PATTERN",
                      help="tensors that are kept exactly; can be repeated")  # fmt: skip


def rule(options: argparse.Namespace) -> Rule:
    """The rule that `rule_options` asks for. Raises UsageError when it contradicts itself."""
    from elf.rule import Rule

    try:
        return Rule(options.lossless, options.bound, tuple(options.lossy), tuple(options.keep))
    except ElfError as error:
        raise UsageError(str(error)) from error


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def bound_of(text: str) -> Bound:
    """A bound as it is typed: 1e-6, 2^-20, rms:1e-4, max:1e-4. Raises ArgumentTypeError for anything else."""
    from elf.bound import Bound

    kind, _, number = text.rpartition(":")
    base, _, power = number.partition("^")
    try:
        value = float(base) ** int(power) if power else float(number)
        return Bound(kind or "absolute", value)
    except (ElfError, ValueError, ArithmeticError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no bound such as 1e-6, 2^-20 or rms:1e-4") from error


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of bytes on stderr, where a person watches; called with the bytes done since the last call."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit="B", unit_scale=True, delay=1, leave=False) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns; those of numbers to the right."""
    cells = [tuple(header), *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    right = [
        all(not row[column] or row[column].lstrip("-")[:1].isdigit() for row in cells[1:])
        for column in range(len(header))
    ]
    lines = [
        "  ".join(
            cell.rjust(width) if r else cell.ljust(width) for cell, width, r in zip(row, widths, right, strict=True)
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def size(count: float) -> str:
    """Bytes in decimal units: 372.1 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
