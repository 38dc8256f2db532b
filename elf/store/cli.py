"""The command `elves store`: results on stdout, progress and errors on stderr, exit codes as in `elf.cli`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from elf.command_line import Commands, command, jobs, progress, rule, rule_options, size, table

if TYPE_CHECKING:
    from elf.store import Store
    from elf.store.stats import Stats

EXAMPLES = """examples:
  elves store add STORE ./bert --name bert              a folder, or a file
  elves store add STORE ./bert-tuned --name tuned       what it shares with others is stored once, the rest as deltas
  elves store stats STORE                               what each step saved
  elves store restore STORE tuned --to ./somewhere
  elves store remove STORE bert; elves store gc STORE
"""


def add_commands(commands: Commands) -> None:
    """Add `store` and its subcommands to the command line."""
    made = commands.add_parser(
        "store",
        help="keep many models in one folder: what they share once, fine-tunes as deltas",
        description="A store keeps many models in one folder: identical files and tensors once, every tensor by what "
        "suits it, and as a delta against a relative where that is smaller. STORE is the folder.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inner = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for each in (_add_add, _add_restore, _add_list, _add_stats, _add_verify, _add_remove, _add_gc):
        each(inner)


def _store(options: argparse.Namespace) -> Store:
    from elf.store import Store

    return Store(options.store)


def _in_store(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    made.add_argument("store", type=Path, metavar="STORE", help="the folder of the store")
    return made


def _add_add(commands: Commands) -> None:
    made = _in_store(command(commands, add, "store a file or a folder as a model"))
    made.add_argument("path", type=Path, metavar="PATH", help="a model file, or a folder of files of any kind")
    made.add_argument("--name", help="what the model is called in the store (default: the name of PATH)")
    made.add_argument("--relative-to", default="auto", metavar="NAME", help="the stored model that this one was tuned "
                      "from; auto: the most similar one; none (default: %(default)s)")  # fmt: skip
    rule_options(made)
    jobs(made)


def add(options: argparse.Namespace) -> None:
    """Store all files of a model; the store is made if there is none. A tensor is lossy only where its role is weight,
    it has two dimensions or more, all values are finite, and the RMS of the error is at most 2^-12 of the tensor's."""
    asked = rule(options)
    with progress("add", _bytes(options.path)) as advance:
        done = _store(options).add(
            options.path, options.name or options.path.resolve().name, rule=asked, relative_to=options.relative_to,
            jobs=options.jobs, progress=advance,
        )  # fmt: skip
    for note in done.notes:
        print(f"elves: {note}", file=sys.stderr)
    if options.json:
        print(json.dumps(asdict(done)))
        return
    print(f"{done.name}: {done.files} files, {size(done.bytes)}; the store grew by {size(done.new_bytes)}")


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def _add_restore(commands: Commands) -> None:
    made = _in_store(command(commands, restore, "write the files of a model"))
    made.add_argument("name", metavar="NAME", help="a model of the store")
    made.add_argument("file", nargs="?", metavar="FILE", help="only this file of it")
    made.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder to write to")
    jobs(made)


def restore(options: argparse.Namespace) -> None:
    """Write the files of a model: byte for byte, except that values of lossy tensors are within their bound. Files that
    are there are replaced."""
    store = _store(options)
    total = sum(model.bytes for model in store.list() if model.name == options.name)
    with progress("restore", total) as advance:
        paths = store.restore(options.name, options.to, file=options.file, jobs=options.jobs, progress=advance)
    print(json.dumps(list(map(str, paths))) if options.json else "\n".join(map(str, paths)))


def _add_list(commands: Commands) -> None:
    _in_store(command(commands, list_, "the models of a store"))


def list_(options: argparse.Namespace) -> None:
    """Show each model with its files and original bytes, and whether values were rounded."""
    found = _store(options).list()
    if options.json:
        print(json.dumps(list(map(asdict, found))))
        return
    rows = ((item.name, str(item.files), size(item.bytes), "lossy" if item.lossy else "exact") for item in found)
    print(table(("model", "files", "bytes", "values"), rows))


def _add_stats(commands: Commands) -> None:
    _in_store(command(commands, stats, "what each step saved"))


def stats(options: argparse.Namespace) -> None:
    """Show the way from the original bytes to those of the store: one line for each step, which sum to the whole."""
    found = _store(options).stats()
    print(json.dumps(asdict(found)) if options.json else _waterfall(found))


def _waterfall(found: Stats) -> str:
    from elf.store.stats import STEPS

    steps = [(step, str(found.steps[step]), about) for step, about in STEPS.items()]
    codecs = [(name, *map(str, numbers)) for name, numbers in found.codecs.items()]
    return "\n".join([
        table(("step", "bytes", ""), [*steps, ("stored", str(found.stored), "bytes of every file of the store")]),
        "",
        table(("codec", "objects", "bytes in", "bytes out"), codecs),
        "",
        f"{found.models} models, {found.files} files: {size(found.original)} -> {size(found.stored)}, "
        f"ratio {found.original / max(1, found.stored):.3f}; {size(found.on_disk)} on the disk",
    ])  # fmt: skip


def _add_verify(commands: Commands) -> None:
    jobs(_in_store(command(commands, verify, "read and decode everything, and say what is damaged")))


def verify(options: argparse.Namespace) -> int:
    """Check every byte of a store. One line for each file that is damaged or missing; the exit code is then 1."""
    store = _store(options)
    with progress("verify", _bytes(options.store)) as advance:
        found = store.verify(jobs=options.jobs, progress=advance)
    for damage in found.damages:
        costs = f" (needed by {', '.join(damage.models)})" if damage.models else ""
        print(f"elves: {damage.path}: {damage.what}{costs}", file=sys.stderr)
    if options.json:
        print(json.dumps(asdict(found)))
        return int(bool(found.damages))
    for path in found.strangers:
        print(f"elves: {path}: does not belong to the store", file=sys.stderr)
    state = f"{len(found.damages)} damaged" if found.damages else "ok"
    left = f"; gc would remove {found.unneeded} objects and {found.partial} partial files"
    print(f"{options.store}: {state}: {found.models} models, {found.objects} objects, {size(found.bytes)}{left}")
    return int(bool(found.damages))


def _add_remove(commands: Commands) -> None:
    made = _in_store(command(commands, remove, "forget a model"))
    made.add_argument("name", metavar="NAME", help="a model of the store")


def remove(options: argparse.Namespace) -> None:
    """Forget a model. What only it needed stays until gc."""
    _store(options).remove(options.name)
    print(json.dumps({"removed": options.name}) if options.json else f"{options.name}: removed")


def _add_gc(commands: Commands) -> None:
    made = _in_store(command(commands, gc, "remove what no model needs"))
    made.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def gc(options: argparse.Namespace) -> None:
    """Remove objects that no model needs, and what killed writers left. Waits until nobody else uses the store."""
    done = _store(options).gc(dry_run=options.dry_run)
    if options.json:
        print(json.dumps(asdict(done)))
        return
    would = "would remove" if options.dry_run else "removed"
    print(f"{would} {done.objects} objects and {done.partial} partial files, {size(done.bytes)}")
