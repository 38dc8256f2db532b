"""The command `elves`: results on stdout, progress and errors on stderr.

Exit codes: 0 all is well; 1 a file is damaged, cannot be coded, or differs; 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elf.command_line import Commands, UsageError, bound_of, command, jobs, progress, rule, rule_options, size, table
from elf.errors import ElfError

if TYPE_CHECKING:
    from elf.diff import Difference
    from elf.info import Choice, Info

SUFFIX = ".elves.safetensors"

EXAMPLES = """examples:
  elves compress model.onnx                    write model.onnx.elves.safetensors
  elves compress --lossless model.pt           every bit comes back
  elves info model.onnx.elves.safetensors      what was chosen for each tensor, and why
  elves decompress model.onnx.elves.safetensors restored.onnx
  elves diff model.onnx restored.onnx          what changed, tensor by tensor
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except ElfError as error:
        print(f"elves: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("elves: interrupted: nothing was written", file=sys.stderr, flush=True)
        os._exit(130)  # threads that are still coding must not be waited for
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        "elves",
        description="Compress model files: each tensor by what suits it, weights within an error bound.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(commands)
    return top


def _add_compress(commands: Commands) -> None:
    made = command(commands, compress, "write an Elves file from a model file of any format")
    made.add_argument("source", type=Path, help="safetensors, PyTorch, ONNX, HDF5, Keras, NumPy, GGUF, TFLite, or any")
    made.add_argument("target", type=Path, nargs="?", help=f"default: the source with {SUFFIX} behind it")
    rule_options(made)
    jobs(made)


def compress(options: argparse.Namespace) -> None:
    """Write an Elves file, which is a safetensors file. A tensor is lossy only where its role is weight, it has two
    dimensions or more, all values are finite, and the RMS of the error is at most 2^-12 of the RMS of the values.
    PATTERNs are names of tensors with * and ?."""
    from elf.writer import compress_file

    asked = rule(options)
    source, target = options.source, options.target or Path(f"{options.source}{SUFFIX}")
    with progress("compress", _size(source)) as advance:
        summary = compress_file(source, target, rule=asked, jobs=options.jobs, progress=advance)
    if options.json:
        print(json.dumps({"source": str(source), "target": str(target), **asdict(summary)}))
        return
    print(
        f"{target}: {_shrunk(summary.bytes_in, summary.bytes_out)}; {summary.lossy} of {summary.tensors} tensors lossy"
    )


def _add_decompress(commands: Commands) -> None:
    made = command(commands, decompress, "restore the original file, or write safetensors")
    made.add_argument("source", type=Path, help="an Elves file")
    made.add_argument(
        "target", type=Path, nargs="?", help=f"default: the source without {SUFFIX}, if there is no such file"
    )
    made.add_argument(
        "--to", choices=["safetensors"], help="write all tensors as safetensors instead of the original format"
    )
    jobs(made)


def decompress(options: argparse.Namespace) -> None:
    """Restore the original file: byte for byte, except that values of lossy tensors are within their bound."""
    from elf.api import decompress as decompress_file
    from elf.container import ElvesFile

    with ElvesFile(options.source) as file:
        size = sum(file.index.sizes)
    target = options.target or _default_target(options)
    with progress("decompress", size) as advance:
        decompress_file(options.source, target, to=options.to, jobs=options.jobs, progress=advance)
    print(json.dumps({"source": str(options.source), "target": str(target)}) if options.json else target)


def _default_target(options: argparse.Namespace) -> Path:
    source = options.source
    if not source.name.endswith(SUFFIX):
        raise UsageError(f"{source}: does not end in {SUFFIX}: say what the restored file is to be called")
    target = source.with_name(source.name.removesuffix(SUFFIX))
    target = target if options.to is None else target.with_name(f"{target.name}.safetensors")
    if target.exists():
        raise UsageError(f"{target}: is there already: say what the restored file is to be called")
    return Path(target)


def _add_info(commands: Commands) -> None:
    made = command(commands, info, "what was chosen for each tensor, and why")
    made.add_argument("file", type=Path, help="an Elves file")


def info(options: argparse.Namespace) -> None:
    """Show for each tensor the codec, bits per parameter, and whether it is lossy, or the reason why not."""
    from elf.container import ElvesFile
    from elf.info import describe

    with ElvesFile(options.file) as file:
        found = describe(file)
    if options.json:
        print(json.dumps(found.to_dict()))
        return
    header = ("tensor", "dtype", "shape", "role", "bytes", "codec", "bits each", "error up to", "why")
    print(table(header, map(_choice_cells, found.choices)))
    print(_totals(found))


def _choice_cells(choice: Choice) -> tuple[str, ...]:
    count = math.prod(choice.shape)
    codec = choice.codec or (f"= {choice.same_as}" if choice.same_as else "skeleton")
    bits = f"{8 * choice.bytes_out / count:.2f}" if choice.codec and count else ""
    shape = "x".join(map(str, choice.shape)) or "scalar"
    error = "exact" if choice.bound is None else _power(choice.bound)
    return choice.name, choice.dtype, shape, choice.role, str(choice.bytes_in), codec, bits, error, choice.reason


def _power(bound: float) -> str:
    mantissa, exponent = bound.hex().split("p")
    return f"2^{int(exponent)}" if float.fromhex(mantissa) == 1 else f"{bound:.3g}"


def _totals(found: Info) -> str:
    lines = [
        f"{found.format} file {found.parts[0]}: {_shrunk(found.bytes_in, found.bytes_out)}",
        f"{found.lossy} of {len(found.choices)} tensors lossy",
        f"{found.bytes_tensors} bytes of tensors, {found.bytes_skeleton} of skeleton (headers, graph, small tensors), "
        f"{found.bytes_container} of index and names",
    ]
    return "\n" + "\n".join(lines)


def _add_verify(commands: Commands) -> None:
    made = command(commands, verify, "check every byte of an Elves file")
    made.add_argument("file", type=Path, help="an Elves file")
    jobs(made)


def verify(options: argparse.Namespace) -> int:
    """Decode everything and check it against its checksums; what is lossless also against the original's digest."""
    from elf.container import ElvesFile
    from elf.verify import damages

    with ElvesFile(options.file) as file, progress("verify", sum(file.index.sizes)) as advance:
        found = damages(file, jobs=options.jobs, progress=advance)
        summary = {"file": str(options.file), "ok": not found, "tensors": len(file), "damaged": found}
    if options.json:
        print(json.dumps(summary))
    elif not found:
        print(f"{options.file}: ok, {summary['tensors']} tensors")
    for line in found:
        print(f"elves: {line}", file=sys.stderr)
    return int(bool(found))


def _add_diff(commands: Commands) -> None:
    made = command(commands, diff, "compare two files tensor by tensor")
    made.add_argument("first", type=Path, help="a model file or an Elves file")
    made.add_argument("second", type=Path, help="another one")
    made.add_argument("--bound", type=_absolute, metavar="B", help="an absolute error that is allowed everywhere")


def _absolute(text: str) -> float:
    bound = bound_of(text)
    if bound.kind != "absolute":
        raise argparse.ArgumentTypeError("must be absolute")
    return bound.value


def diff(options: argparse.Namespace) -> int:
    """Compare bits and values of all tensors. The exit code is 1 when the files have other tensors, or when one differs
    by more than --bound and more than an Elves file among the two allows; without both, when it differs at all."""
    from elf.diff import compare

    found = compare(options.first, options.second, bound=options.bound)
    if options.json:
        print(json.dumps({"within": found.within, **_finite(asdict(found))}))
        return int(not found.within)
    header = ("tensor", "dtype", "values", "changed", "bits changed", "largest error", "error / RMS", "allowed")
    changed = [item for item in found.tensors if item.changed_values]
    if changed:
        print(table(header, map(_difference_cells, changed)))
    for what, names in (("missing", found.missing), ("added", found.added), ("unlike", found.unlike)):
        for name in names:
            print(f"{what}: {name}")
    equal = len(found.tensors) - len(changed)
    print(
        f"{equal} tensors equal, {len(changed)} changed, {'within' if found.within else 'not within'} what is allowed"
    )
    return int(not found.within)


def _finite(value: Any) -> Any:
    """JSON has no infinity: it is the text "inf" there."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return "inf" if value == math.inf else value


def _difference_cells(item: Difference) -> tuple[str, ...]:
    share = f"{item.changed_values / item.n_params:.2%}" if item.n_params else ""
    numbers = (item.max_abs_error, item.relative_error, item.bound)
    shown = ("" if number is None else f"{number:.3g}" for number in numbers)
    return item.name, item.dtype, str(item.n_params), share, str(item.changed_bits), *shown


def _add_store(commands: Commands) -> None:
    from elf.store.cli import add_commands

    add_commands(commands)


COMMANDS: tuple[Callable[[Commands], None], ...] = (
    _add_compress, _add_decompress, _add_info, _add_verify, _add_diff, _add_store,
)  # fmt: skip
"""Each adds one subcommand (see `command`); modules behind it are imported when it runs, not before."""


def _shrunk(before: int, after: int) -> str:
    return f"{size(before)} -> {size(after)}, ratio {before / max(after, 1):.3f}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise ElfError(f"{path}: cannot be read: {error.strerror}") from error
