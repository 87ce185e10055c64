"""Train a network on faces, report its results, and export it as a SavedModel.

  python -m ferkeras.fit                                   synthetic faces, configs/demo.yaml
  python -m ferkeras.fit --config configs/fer2013.yaml data.path=fer2013.csv
  python -m ferkeras.fit --resume saved_models/demo-001    resume an interrupted run

data.path is a CSV file (fer2013.csv, icml_face_data.csv, train.csv; plain, .gz or .zip), a folder
with one folder of png or jpg files an emotion, or 'demo'. Everything about the run lands in a new
folder saved_models/<name>-NNN. Ctrl-C (or SIGTERM) finishes the step, saves and leaves. Exit
codes: 0 done, 1 failed or collapsed, 2 wrong usage or input, 130 or 143 stopped by a signal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ferkeras.cli.command import verb
from ferkeras.cli.errors import InputError
from ferkeras.config.arguments import config_parser, configured
from ferkeras.config.schema import Config
from ferkeras.runs.record import Run
from ferkeras.runs.start import open_start
from ferkeras.runs.teachers import open_teachers
from ferkeras.runs.unfinished import UnfinishedRun, find_run, reopened


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    parser = config_parser("ferkeras.fit", __doc__)
    parser.add_argument(
        "--resume",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="RUN",
        help="resume the run in this folder; without RUN, the newest unfinished one in "
        "saved_models (a folder of runs may be named too); its configuration is its own",
    )
    arguments = parser.parse_args(argv)
    if arguments.resume is None:
        return _fit(configured(arguments))
    _refuse_settings(arguments, parser.get_default("config"))
    run = find_run(None if arguments.resume == Path() else arguments.resume)
    with reopened(run) as unfinished:
        if unfinished is None:
            print(f"{run.folder}: this run is complete; there is nothing to resume")
            return 0
        return _fit(unfinished.config, unfinished)


def _fit(config: Config, unfinished: UnfinishedRun | None = None) -> int:
    from ferkeras.cli.console import Console
    from ferkeras.data.load import load_splits

    teachers = open_teachers(config.distill)
    start = open_start(config.network.start_from)
    if unfinished is not None:
        unfinished.check_teachers(teachers)
        unfinished.check_start(start)
    with Console() as console:
        splits = load_splits(config, console)
        run: Run | None = None
        if unfinished is not None:
            unfinished.check_faces(splits)
            run = unfinished.run

        from ferkeras.cli.quiet import import_tensorflow

        import_tensorflow()
        from ferkeras.fit.outcome import print_outcome
        from ferkeras.fit.run import train

        outcome = train(config, splits, console, run)
        print_outcome(outcome, config, console)
    return 1 if outcome.stopped else 0


def _refuse_settings(arguments: argparse.Namespace, default: str) -> None:
    if arguments.overrides or arguments.name is not None or arguments.config != default:
        raise InputError(
            "--resume continues a run as it was configured: leave out --config, --name and "
            "section.key=value, or begin a new run without --resume"
        )


if __name__ == "__main__":
    sys.exit(main())
