"""Search the best configuration within ranges, by any number of processes.

  python -m ferkeras.search 'train.learning_rate=log(1e-4,1e-2)' 'network.conv_dropout=[0,0.1,0.2]'
  python -m ferkeras.search --config fer2013-fast data.path=fer2013.csv \\
      --space space.yaml --trials 60 --limit parameters=1000000 --limit litert_ms=3
  python -m ferkeras.search 'network.filters=[[8,16],[16,32]]' --objective accuracy litert_ms
  python -m ferkeras.search --join saved_models/search-demo        help with it, or go on

Where neither --config nor data.path is given, as in the first line, the faces are the synthetic
ones of demo.

A range is log(LOW,HIGH), linear(LOW,HIGH), linear(LOW,HIGH,STEP), or a list of choices; all other
section.key=value hold for every trial. Values are chosen by TPE (Optuna); trainings that fall
behind are ended (--pruner); those above a --limit are not trained, or ended, and not taken. With
two objectives the result is their Pareto front.

Everything lands in a folder, by default saved_models/search-<name>: trials.csv, pictures, and
best.yaml, which is trained again with --confirm other seeds beside the configuration that it began
with, for the best of many is too good. The same command again, or --join FOLDER, goes on; any
number of processes may join. Machines without a common disk share a database: --store
postgresql://..., and --join with its address (with --output, for a folder of their own). A process
that dies loses its trial for a minute: it is taken over by another. Exit codes: 0 done, 1 failed, 2
wrong usage or input, 130 or 143 stopped by a signal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ferkeras.cli.command import verb
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import named_path
from ferkeras.cli.invocation import command_line
from ferkeras.config.arguments import (
    config_of,
    config_parser,
    find_config,
    given_beside,
    keys_given,
)
from ferkeras.search.goals import LIMITED, read_goals, read_limits

if TYPE_CHECKING:
    from ferkeras.search.study import Search


_DEFAULTS = {"trials": 40, "objective": ["accuracy"], "pruner": "median", "confirm": 3}
"""What holds where a search is begun and nothing is said of it."""


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    search = _joined(arguments) if arguments.join is not None else _begun(arguments)

    from ferkeras.ablate.report import report as report_ablation
    from ferkeras.cli.console import Console
    from ferkeras.search.confirm import confirm
    from ferkeras.search.report import print_found, write_found
    from ferkeras.study.endings import going_on
    from ferkeras.study.storage import is_address, without_password

    with Console() as console:
        task = search.task
        console.header(
            f"ferkeras: search {search.folder}",
            {
                "searched": ", ".join(search.space),
                "wanted": ", ".join(task.goals),
                "limits": ", ".join(f"{k} {v:g}" for k, v in task.limits.items()) or "none",
                "trials": f"{task.trials}, {len(search.done)} of them done",
            },
        )
        store = arguments.store or arguments.join or ""
        to_join = without_password(store, search.folder.name) if is_address(store) else None
        where = ["--output", arguments.output] if to_join and arguments.output else []
        again = command_line("search", "--join", to_join or search.folder, *where)
        with going_on("search", again):
            search.work(console)
            # What is found is written before more is trained.
            write_found(search, None)
            confirmation = confirm(search, console)
            if confirmation is not None:
                report_ablation(confirmation, console)
                write_found(search, confirmation)
            print_found(search, console)
    return 0


def _begun(arguments: argparse.Namespace) -> Search:
    from ferkeras.config.file import load_config
    from ferkeras.config.idle import refuse_idle
    from ferkeras.data.load import need_source
    from ferkeras.search.space import check_space, read_space
    from ferkeras.study.training import need_seeds

    for key, value in _DEFAULTS.items():
        if getattr(arguments, key) is None:
            setattr(arguments, key, value)
    goals, limits = read_goals(arguments.objective), read_limits(arguments.limit)
    if arguments.trials < 1 or arguments.confirm < 0 or arguments.confirm == 1:
        raise InputError(
            f"--trials {arguments.trials}, --confirm {arguments.confirm}: expected at least 1 "
            "trial, and at least 2 seeds, which tell a difference from chance, or 0 for none"
        )
    file = find_config(config_of(arguments))
    space, plain = read_space(arguments.overrides, arguments.space)
    if arguments.name is not None:
        plain.append(f"name={arguments.name}")
    keys = keys_given(arguments.overrides)
    base = load_config(file, plain)
    check_space(base, space)
    refuse_idle(base, [*keys, *space], undecided=space)
    need_source(base.data)
    need_seeds(base, 1 + arguments.confirm)

    from ferkeras.search.study import Search, Task

    task = Task.of(
        base, space, goals, limits, arguments.trials, arguments.pruner, arguments.confirm
    )
    folder = arguments.output or Path(base.output.folder) / f"search-{base.name}"
    return Search.begin(folder, arguments.store, task)


def _joined(arguments: argparse.Namespace) -> Search:
    from ferkeras.study.storage import is_address

    beside = given_beside(arguments, "join")
    if beside and (beside != ["output"] or not is_address(arguments.join)):
        raise InputError(
            "--join STUDY: takes nothing else, as the search is the one that was begun, but for "
            "--output beside the address of a database; leave the rest out"
        )

    from ferkeras.search.study import Search

    return Search.join(arguments.join, arguments.output)


def _parser() -> argparse.ArgumentParser:
    result = config_parser("ferkeras.search", __doc__)
    result.add_argument(
        "--space", type=named_path, metavar="FILE", help="YAML file: section.key: range"
    )
    result.add_argument("--trials", type=int, metavar="N", help="in all (default: 40)")
    result.add_argument(
        "--objective",
        nargs="+",
        metavar="NAME",
        help="accuracy (default), balanced_accuracy, log_loss, parameters, minutes, litert_ms; two "
        "give a Pareto front",
    )
    result.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help=f"greatest value of {', '.join(LIMITED)}; may be given again",
    )
    result.add_argument(
        "--pruner",
        choices=("median", "hyperband", "none"),
        help="ends trainings that fall behind (default: median)",
    )
    result.add_argument(
        "--confirm", type=int, metavar="N",
        help="other seeds that the best is trained again with (default: 3; 0: none)",
    )  # fmt: skip
    result.add_argument("--output", type=named_path, metavar="FOLDER", help="folder of the search")
    result.add_argument("--store", metavar="ADDRESS", help="database that machines share")
    result.add_argument(
        "--join", metavar="STUDY", help="work at the search in this folder or database"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
