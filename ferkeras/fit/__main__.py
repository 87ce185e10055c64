"""Train a network on faces, report its results, and export it as a SavedModel.

  python -m ferkeras.fit                                   synthetic faces, configs/demo.yaml
  python -m ferkeras.fit --config fer2013 data.path=fer2013.csv
  python -m ferkeras.fit --resume saved_models/demo-001    resume an interrupted run
  python -m ferkeras.fit --resume saved_models/demo-001 train.epochs=80    more epochs

data.path is a table of faces (fer2013.csv, icml_face_data.csv, train.csv; plain, .gz or .zip), a
folder with one folder of pictures a class, a list of pictures, NumPy's arrays, or 'demo'.
Everything about the run lands in a new folder saved_models/<name>-NNN. Ctrl-C (or SIGTERM)
finishes the step, saves and leaves. Exit codes: 0 done, 1 failed, stopped by an alarm, or the
network that is kept still predicts one class for nearly every face (monitor.collapse_fraction), 2
wrong usage or input, 130 or 143 stopped by a signal.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ferkeras.cli.command import verb
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import named_path
from ferkeras.cli.invocation import command_line
from ferkeras.config.arguments import config_parser, configured

if TYPE_CHECKING:
    from ferkeras.config.schema import Config
    from ferkeras.runs.unfinished import UnfinishedRun


_NEWEST = object()
"""What `--resume` without a path stands for."""

_SETTING = re.compile(r"[a-z_]+(\.[a-z_]+)?=")


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    parser = config_parser("ferkeras.fit", __doc__)
    parser.add_argument(
        "--resume",
        nargs="?",
        type=named_path,
        const=_NEWEST,
        metavar="RUN",
        help="resume the run in this folder; without RUN, the newest unfinished one in "
        "saved_models (a folder of runs may be named too); its configuration is its own, but for "
        "train.epochs (also of a run that is complete), data.path or data.votes (the same ones "
        "elsewhere), and monitor.trackers",
    )
    arguments = parser.parse_args(argv)
    named = arguments.resume if isinstance(arguments.resume, Path) else None
    if named is not None and _SETTING.match(str(named)) and not named.exists():
        # `--resume train.epochs=80`: of the newest run.
        arguments.overrides.insert(0, str(named))
        arguments.resume = _NEWEST
    if arguments.resume is None:
        return _fit(configured(arguments))
    _refuse_settings(arguments)
    return _resume(arguments)


def _resume(arguments: argparse.Namespace) -> int:
    from ferkeras.runs.changes import changes_asked
    from ferkeras.runs.records import MetricsRecord, read_record
    from ferkeras.runs.unfinished import find_run, reopened

    changes = changes_asked(arguments.overrides)
    run = find_run(None if arguments.resume is _NEWEST else arguments.resume)
    with reopened(run, changes) as unfinished:
        if unfinished is None:
            from ferkeras.cli.console import Console

            more = command_line("fit", "--resume", run.folder, "train.epochs=N")
            stopped = read_record(run.metrics, MetricsRecord).get("stopped")
            with Console() as console:
                console.print(
                    f"{run.folder}: this run was ended early ({stopped}), and does not go on"
                    if stopped
                    else f"{run.folder}: this run is complete; to train it for N epochs in all: "
                    f"{more}"
                )
            return 0
        return _fit(unfinished.config, unfinished)


def _fit(config: Config, unfinished: UnfinishedRun | None = None) -> int:
    from ferkeras.cli.console import Console
    from ferkeras.fit.fitting import fit

    with Console() as console:
        outcome = fit(config, console, unfinished)
    return 1 if outcome is not None and outcome.failed else 0


def _refuse_settings(arguments: argparse.Namespace) -> None:
    if arguments.name is not None or arguments.config is not None:
        raise InputError(
            "--resume continues a run as it was configured: leave out --config and --name, or "
            "begin a new run without --resume"
        )


if __name__ == "__main__":
    sys.exit(main())
