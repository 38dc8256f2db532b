"""The command `python -m analysis`: each subcommand is one step of a study, or one question about it.

Results go to stdout, progress and notes to stderr. Exit codes: 0 done, 1 something could not be measured or differs,
2 the call or the configuration is wrong and nothing was started.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from analysis.errors import UsageError
from analysis.places import PROJECT, Places, name_caches, places
from analysis.progress import say
from elf.errors import ElfError

if TYPE_CHECKING:
    from analysis.config import Study
    from analysis.results import Results

EXAMPLES = """examples:
  python -m analysis run configs/tiny.yaml         pull, measure, make the tables
  python -m analysis inspect model.safetensors     what one model is made of, without any YAML
  python -m analysis claims default                published claims beside ours
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    options = parser().parse_args(arguments)
    name_caches(places(getattr(options, "cache", None)).cache)
    try:
        return int(options.run(options) or 0)
    except ElfError as error:
        say(str(error))
        return options.wrong if hasattr(options, "wrong") else _code(error)
    except KeyboardInterrupt:
        say("interrupted: what was finished is kept, the same command goes on from there")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _code(error: ElfError) -> int:
    """A configuration that is wrong stops before any work."""
    from analysis.config import ConfigError

    return 2 if isinstance(error, ConfigError | UsageError) else 1


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        "python -m analysis",
        description="Storage compressibility of pre-trained models.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _study(commands, validate, "check YAML files and say everything that is wrong with them", many=True)
    _study(commands, plan, "models, files, bytes, estimated time and disk, what is done", js=True)
    _study(commands, pull, "bring the models onto this disk and verify them")
    _jobs(_study(commands, run, "pull, measure what is new, make the tables"))
    _study(commands, aggregate, "make the tables again from what is measured")
    _study(commands, figures, "draw every figure as SVG and PNG, with its data")
    _study(commands, notebooks, "execute the notebooks on the study's tables")
    _study(commands, report, "write the study's one page, report.html")
    _jobs(_study(commands, reproduce, "all of the above, then compare with the committed tables and print the claims"))
    _study(commands, publish, "make this machine's tables and notebooks the committed ones")
    _study(commands, claims, "print the published claims beside ours", js=True)
    _compare(commands)
    _inspect(commands)
    _tune(commands)
    _places(_command(commands, ls, "the studies there are, and what can be named in one"), js=True)
    made = _command(commands, init, "write a first configuration to start from")
    made.add_argument("name", help="name of the new study: configs/NAME.yaml")
    return top


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Names the default of an option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


Command = Callable[[argparse.Namespace], int | None]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _command(commands: Commands, function: Command, about: str) -> argparse.ArgumentParser:
    made = commands.add_parser(
        function.__name__,
        help=about,
        description=(function.__doc__ or about),
        formatter_class=_Help,
    )
    made.set_defaults(run=function)
    return made


def _study(
    commands: Commands, function: Command, about: str, *, many: bool = False, js: bool = False
) -> argparse.ArgumentParser:
    made = _command(commands, function, about)
    made.add_argument("study", nargs="+" if many else None, help="a YAML file, or the name of one in configs/")
    _places(made, js=js)
    return made


def _places(made: argparse.ArgumentParser, *, js: bool = False) -> None:
    made.add_argument(
        "--cache", type=Path, metavar="DIR", help="where models and shards are kept (ELVES_CACHE, else .cache)"
    )
    made.add_argument("--results", type=Path, metavar="DIR", help="where results go (ELVES_RESULTS, else results)")
    if js:
        made.add_argument("--json", action="store_true", help="print JSON for a script")


def _jobs(made: argparse.ArgumentParser) -> None:
    made.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N", help="worker processes")
    made.add_argument(
        "--dask", metavar="tcp://HOST:PORT", help="measure on this Dask cluster, which shares the cache folder"
    )


def _compare(commands: Commands) -> None:
    made = _command(commands, compare, "two studies' stores side by side")
    made.add_argument("study_a")
    made.add_argument("study_b")
    _places(made, js=True)


def _inspect(commands: Commands) -> None:
    made = _command(commands, inspect, "layers, dtypes, roles and a first dedup answer for one model")
    made.add_argument("model", metavar="FILE|hub:ORG/NAME", help="a model file, a folder of them, or a Hub repository")
    made.add_argument("--layers", action="store_true", help="list every layer")
    _places(made, js=True)


def _tune(commands: Commands) -> None:
    made = _command(commands, tune, "the loosest bound that keeps a model's accuracy, found on one half of the items")
    made.add_argument("model", metavar="MODEL", help="a model of the study, as models.csv names it")
    made.add_argument("--task", required=True, help="the accuracy task that tells")
    made.add_argument("--study", default="default", help="the study that names the model")
    _places(made)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _loaded(options: argparse.Namespace, text: str | None = None) -> Study:
    from analysis.config import load_study

    return load_study(config_path(text or options.study))


def config_path(text: str) -> Path:
    """The YAML that `text` names: a path, or the name of a study in configs/. Raises UsageError when there is none."""
    for candidate in (Path(text), PROJECT / "configs" / f"{text}.yaml"):
        if candidate.is_file():
            return candidate
    there = ", ".join(sorted(path.stem for path in (PROJECT / "configs").glob("*.yaml") if ".lock" not in path.name))
    raise UsageError(f"{text}: no such file, and no study of that name in configs/ (there are: {there})")


def study_name(text: str) -> str:
    """The study that a path of a YAML, or a name, stands for."""
    path = Path(text)
    return path.stem if path.suffix in {".yaml", ".yml"} or path.is_file() else text


def _places_of(options: argparse.Namespace) -> Places:
    return places(options.cache, options.results)


def _results(options: argparse.Namespace, study: str) -> Results:
    from analysis.results import load

    return load(study_name(study), _places_of(options).results)


def validate(options: argparse.Namespace) -> int:
    """Check studies without pulling or measuring anything: every mistake with its file, line and key."""
    from analysis.config import ConfigError

    wrong = 0
    for text in options.study:
        try:
            study = _loaded(options, text)
        except ConfigError as error:
            say(str(error))
            wrong = 2
        else:
            entries = sum(len(family.models) for family in study.families)
            measures = ", ".join(study.measures)
            print(f"{text}: ok: {len(study.families)} families, {entries} model entries, measures: {measures}")
    return wrong


def plan(options: argparse.Namespace) -> int:
    """What a run would do: nothing is downloaded or measured."""
    from analysis.forecast import forecast

    found = forecast(_loaded(options), _places_of(options))
    print(found.json() if options.json else found)
    return 0


def pull(options: argparse.Namespace) -> int:
    """Bring the study's models onto this disk, verified; what is there already needs no network."""
    from analysis.manifest import Failure, Manifest
    from analysis.steps import failed, pull_study
    from analysis.text import size

    study = _loaded(options)
    pulled = pull_study(study, _places_of(options))
    for model in pulled.models:
        print(f"{model.family}  {model.name}  {len(model.files)} files  {size(model.bytes)}")
    failures = tuple(Failure(step="pull", **vars(failure)) for failure in pulled.failures)
    return int(failed(Manifest(study=study.name, measures={}, models=(), failures=failures)))


def run(options: argparse.Namespace) -> int:
    """Pull, measure what has no shard yet, make the tables. Exit code 1 when something could not be measured."""
    from analysis.steps import failed, run_study, say_gaps

    finished = run_study(_loaded(options), _places_of(options), jobs=options.jobs, dask=options.dask)
    say(str(finished))
    say_gaps(finished)
    return int(failed(finished.manifest))


def aggregate(options: argparse.Namespace) -> int:
    """Make the tables again from the shards of the last run."""
    from analysis.steps import aggregate_study, failed

    return int(failed(aggregate_study(study_name(options.study), _places_of(options))))


def figures(options: argparse.Namespace) -> None:
    """Draw every figure of a study from its tables."""
    from analysis.figures import write_figures

    folder = _places_of(options).local(study_name(options.study)) / "figures"
    write_figures(_results(options, options.study), folder)
    print(folder)


def notebooks(options: argparse.Namespace) -> None:
    """Execute the notebooks on a study's tables; those that nothing changed for are left as they are."""
    from analysis.notebooks import execute_all

    for path in execute_all(_results(options, options.study), _places_of(options)):
        print(path)


def report(options: argparse.Namespace) -> None:
    """Write report.html."""
    from analysis.report import write_report

    print(write_report(_results(options, options.study), _places_of(options).local(study_name(options.study))))


def reproduce(options: argparse.Namespace) -> int:
    """From the YAML to tables, figures, executed notebooks and the report, then the comparison and the claims."""
    code = run(options)
    figures(options)
    notebooks(options)
    report(options)
    print()
    claims(options)
    print()
    return max(code, _agrees(options))


def _agrees(options: argparse.Namespace) -> int:
    from analysis.agreement import agreement

    found = agreement(_places_of(options), study_name(options.study))
    print(found or "this study has no committed tables to compare with")
    return int(bool(found and found.differing))


def publish(options: argparse.Namespace) -> None:
    """Make this machine's tables the committed ones and execute the committed notebooks on them."""
    from analysis.agreement import publish as publish_tables
    from analysis.notebooks import publish as publish_notebooks

    where, study = _places_of(options), study_name(options.study)
    publish_tables(where, study)
    publish_notebooks(study, where)
    print(where.study(study))


def claims(options: argparse.Namespace) -> None:
    """Print what is published, what this study measures, and where it is shown."""
    from analysis.claims import claims as claims_of
    from analysis.text import table

    found = claims_of(_results(options, options.study))
    if getattr(options, "json", False):
        print(json.dumps(found.to_dict("records"), indent=1))
    else:
        shown = found[["claim", "paper", "ours", "where"]]
        print(table(list(shown.columns), shown.itertuples(index=False)))


def compare(options: argparse.Namespace) -> None:
    """Two studies side by side: size, and the ratio of every store."""
    from analysis.compare import compare as compare_results

    found = compare_results(_results(options, options.study_a), _results(options, options.study_b))
    print(found.json() if options.json else found)


def inspect(options: argparse.Namespace) -> int:
    """What one model is made of: files, layers, dtypes, roles, and what deduplication inside it would save."""
    from analysis.inspect import inspect as inspect_model
    from analysis.steps import failed

    found = inspect_model(options.model, _places_of(options))
    wrong = failed(found.manifest)
    print(found.json() if options.json else found.text(layers=options.layers))
    return int(wrong)


def tune(options: argparse.Namespace) -> int:
    """Find the loosest bound within the margin on one half of a task's items; report it on the other half."""
    from analysis.accuracy.tuning import tuned

    found = tuned(_loaded(options), options.model, options.task, _places_of(options).cache)
    print(found)
    return int(not found.holds)


def ls(options: argparse.Namespace) -> None:
    """The studies in configs/ with what is known of each, and the formats, sources and measures there are."""
    from analysis.listing import listing

    found = listing(_places_of(options))
    print(found.json() if options.json else found)


def init(options: argparse.Namespace) -> None:
    """Write configs/NAME.yaml with one of each kind of model entry, ready to be edited."""
    from analysis.listing import write_first_study

    print(write_first_study(options.name))
