"""Find out why a training does not learn: the cause, the measurements, the remedy.

  python -m ferkeras.diagnose saved_models/fer2013-001             a finished run
  python -m ferkeras.diagnose --config stuck data.path=fer2013.csv
  python -m ferkeras.diagnose --try --config my.yaml               and try the first remedies
  python -m ferkeras.diagnose --script train.py                    any Keras program's first fit

A finished run is examined as it ended; where its faces are elsewhere now, data.path=PATH behind it
says so. A configuration is trained for a few hundred steps first. Faces, labels, statistics, steps,
weights and predictions are measured, each for one cause that it speaks for; where that explains
nothing, the training is repeated briefly with other settings, and always with the weights as they
are (no train.ema_momentum) and the labels alone (no teachers). The result is a verdict in a
sentence, the numbers behind it, and remedies as settings, the most promising first; with --try,
also which of them worked. It goes to the console and, as diagnosis.html, diagnosis.png and
diagnosis.json, to RUN/diagnosis (of the network that comes along, to
saved_models/fer2013-results/diagnosis), or for a configuration to a new folder.

With --script a program of your own is run up to its first `fit`, and model and data are examined;
`python -m ferkeras.diagnose --script --help` says more.

Exit codes: 0 nothing is wrong. 1 a cause was found. 2 wrong usage or input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ferkeras.cli.command import verb
from ferkeras.cli.errors import InputError
from ferkeras.cli.invocation import command_line
from ferkeras.cli.wording import shown
from ferkeras.config.arguments import config_of, config_parser, configured
from ferkeras.diagnose.program.script import OPTION, diagnose_script

if TYPE_CHECKING:
    from ferkeras.config.schema import Config
    from ferkeras.diagnose.finding import Finding
    from ferkeras.runs.finished import FinishedRun

_STEPS = 240
"""Steps of a configuration's training: twenty seconds for the synthetic faces."""


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    if OPTION in given:
        return diagnose_script(given)
    arguments = _parser().parse_args(argv)
    finished = None
    if arguments.overrides and "=" not in arguments.overrides[0]:
        finished = _open_run(arguments)
        config = finished.config
    else:
        config = configured(arguments)

    from ferkeras.cli.console import Console
    from ferkeras.data.load import load_splits
    from ferkeras.files.inner import AnyPath
    from ferkeras.files.new_folder import check_output, make_folder
    from ferkeras.files.writing import demand_room, make_results_folder
    from ferkeras.runs.moved import splits_of_run

    if finished is not None and arguments.output is None:
        demand_room(finished.run.results, "name another with --output DIR")
    else:
        check_output(arguments.output)
    with Console() as console:
        console.print(f"{_examined(arguments, config, finished)}\n")
        if finished is None:
            splits = load_splits(config, console)
        else:
            splits = splits_of_run(config, console, "diagnose", finished.run.folder)

        from ferkeras.cli.quiet import import_tensorflow

        with console.working("loading TensorFlow"):
            import_tensorflow()
            from ferkeras.diagnose.case import train_briefly
            from ferkeras.diagnose.diagnosis import diagnose
            from ferkeras.diagnose.report import print_diagnosis, write_diagnosis
            from ferkeras.diagnose.run_case import case_of
            from ferkeras.diagnose.treatment import (
                can_be_tried,
                first_of_several,
                steps_of,
                steps_of_all,
                treat,
                what_remains,
            )

        if finished is None:
            with console.working("training briefly", _STEPS) as advance:
                case = train_briefly(config, splits, _STEPS, advance=advance)
        else:
            with console.working("building the network"):
                case = case_of(finished, splits)
        with console.working("measuring") as advance:
            diagnosis = diagnose(case, advance)
        remaining: Sequence[Finding] = ()
        if first_of_several(diagnosis):
            with console.working("asking what remains", steps_of(diagnosis)) as advance:
                remaining = what_remains(diagnosis, advance)
        treatments = []
        if arguments.treat and can_be_tried(diagnosis):
            with console.working("trying remedies", steps_of_all(diagnosis)) as advance:
                treatments = treat(diagnosis, advance)
        if arguments.treat and not treatments:
            console.print(
                "--try: no remedy was tried, because "
                + (
                    "nothing was found that needs one"
                    if not diagnosis.findings
                    else "none of them is a setting whose effect a brief training can show"
                )
            )
        command = _command(arguments, finished)
        print_diagnosis(diagnosis, remaining, treatments, command, console)
        if finished is not None and arguments.output is None:
            folder: AnyPath = finished.run.diagnosis
            make_results_folder(finished.run.diagnosis)
        else:
            folder = make_folder(arguments.output, f"diagnose-{config.name}")
        with console.working("drawing pictures"):
            write_diagnosis(diagnosis, remaining, treatments, command, folder)
        console.print(f"\nwritten: {folder}")
    return 1 if diagnosis.findings else 0


def _parser() -> argparse.ArgumentParser:
    result = config_parser("ferkeras.diagnose", __doc__)
    result.usage = (
        "%(prog)s [-h] [--try] [--output DIR] "
        "(RUN [data.path=PATH] | [--config FILE] [section.key=value ...])"
    )
    result.add_argument(
        "--try",
        dest="treat",
        action="store_true",
        help="train briefly with each of the first remedies, from the same start",
    )
    result.add_argument(
        "--output",
        metavar="DIR",
        help="a new or empty folder (default: RUN/diagnosis, or diagnose-<name>)",
    )
    return result


def _open_run(arguments: argparse.Namespace) -> FinishedRun:
    """The run that is named first, and where its faces are, if they have moved."""
    from ferkeras.config.file import with_values
    from ferkeras.runs.finished import open_run
    from ferkeras.runs.moved import PATH, VOTES, settings_asked

    folder, *given = arguments.overrides
    refusal = (
        f"{folder}: a run is examined as it was configured; leave out --config, --name and "
        f"section.key=value other than {PATH} and {VOTES} (the same at another place), or leave "
        "out the run"
    )
    if arguments.name is not None or arguments.config is not None:
        raise InputError(refusal)
    moved = settings_asked(given, (PATH, VOTES), refusal)
    finished = open_run(folder)
    return replace(finished, config=with_values(finished.config, moved))


def _examined(arguments: argparse.Namespace, config: Config, finished: FinishedRun | None) -> str:
    """What is examined; where nothing was named, also how to examine the newest run."""
    from ferkeras.data.load import DEMO
    from ferkeras.runs.finished import newest_in

    faces = "synthetic faces" if config.data.path == DEMO else shown(config.data.path)
    if finished is not None:
        return f"Examined: the run {shown(finished.run.folder)}, on {faces}"
    text = (
        f"Examined: no run, but {_STEPS} steps of a training with --config {config_of(arguments)}, "
        f"on {faces}"
    )
    newest = newest_in(Path(config.output.folder))
    named = arguments.overrides or arguments.name is not None or arguments.config is not None
    if named or newest is None:
        return text
    return f"{text}\nTo examine the newest run: {command_line('diagnose', newest)}"


def _command(arguments: argparse.Namespace, finished: FinishedRun | None) -> str:
    """The training that was examined, as a command that takes further settings."""
    if finished is not None:
        words = [str(finished.run.config)]
    else:
        words = [config_of(arguments), *arguments.overrides]
    return command_line("fit", "--config", *words)


if __name__ == "__main__":
    sys.exit(main())
