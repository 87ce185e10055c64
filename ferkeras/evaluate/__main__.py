"""Evaluate the network of a run, with intervals and checks that make figures reliable.

  python -m ferkeras.evaluate saved_models/demo-001                 its validation faces
  python -m ferkeras.evaluate saved_models/demo-001 --split test    once, at the very end
  python -m ferkeras.evaluate saved_models/demo-001 --data faces/   any other faces

Figures with 95 % intervals: without test-time augmentation, with flip (2 views of each face)
and with multiscale (6 views: 3 sizes, each mirrored too), with and without faces that also occur
in training; pictures; and all of it under RUN/evaluation/<split>/. --calibrate fits a temperature
on the validation faces and stores it with the run, for the export to use. The network that comes
along is left as it is: its results go to saved_models/fer2013-results/ in the current folder.
Exit codes: 0 done, 2 wrong usage or input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ferkeras.cli.command import parser, verb

if TYPE_CHECKING:
    from ferkeras.evaluate.subject import Subject


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)

    from ferkeras.runs.so_far import open_trained

    finished = open_trained(arguments.run)

    from ferkeras.cli.console import Console
    from ferkeras.cli.errors import InputError
    from ferkeras.evaluate.subject import find_subject
    from ferkeras.files.writing import demand_room

    if finished.unfinished and arguments.calibrate:
        raise InputError(
            f"{finished.run.folder}: {finished.unfinished}: a temperature fitted now would not fit "
            "the network that it ends with; leave out --calibrate, or resume the run first"
        )
    demand_room(finished.run.results, "the figures of a run go there; copy the run, name the copy")
    with Console() as console:
        if finished.unfinished:
            kept = finished.config.train.keep
            console.print(f"note: {finished.unfinished}: this is the {kept} network so far")
        subject = find_subject(finished, arguments.split, arguments.data, console)
        if arguments.calibrate:
            _demand_faces_for_a_temperature(subject)

        from ferkeras.cli.quiet import import_tensorflow

        with console.working("loading TensorFlow and the network"):
            import_tensorflow()
            from ferkeras.evaluate.assessment import PASSES, assess, logits_of_views
            from ferkeras.evaluate.report import (
                print_calibration,
                print_evaluation,
                write_evaluation,
            )
            from ferkeras.metrics.calibration import (
                calibrate_views,
                store_calibration,
                temperatures_of,
            )
            from ferkeras.network.precision import fast_precision
            from ferkeras.runs.network import load_trained

            model = load_trained(finished).model
        trained_in = finished.config.train.precision
        if fast_precision(trained_in) != trained_in:
            console.print(
                "note: computed in float32; the training computed in bfloat16, which this "
                "processor does not, and its own figures may differ in the last digit\n"
            )
        if subject.remark:
            console.print(f"note: {subject.remark}\n")
        views = None
        if arguments.calibrate and subject.validation is not None:
            with console.working("fitting temperatures", PASSES) as advance:
                views = logits_of_views(model, subject.validation, advance)
                calibrations = calibrate_views(views, subject.validation.labels)
            store_calibration(finished.run, calibrations)
            print_calibration(calibrations, console)
        if views is None or subject.faces is not subject.validation:
            with console.working("predicting", PASSES) as advance:
                views = logits_of_views(model, subject.faces, advance)
        with console.working("computing figures and their intervals"):
            assessment = assess(
                subject,
                temperatures=temperatures_of(finished.run),
                seed=finished.config.seed,
                views=views,
            )
        with console.working("drawing pictures"):
            folder = write_evaluation(finished, subject, assessment, model)
        print_evaluation(subject, assessment, console)
        console.print(f"\nwritten: {folder}")
    return 0


def _demand_faces_for_a_temperature(subject: Subject) -> None:
    from ferkeras.cli.errors import InputError
    from ferkeras.metrics.measures import FEWEST

    if subject.validation is None:
        raise InputError(
            f"--calibrate needs the run's own validation faces, but {subject.remark}; name the "
            "run's own data with --data, or leave out --calibrate"
        )
    faces = len(subject.validation.labels)
    if faces < FEWEST:
        raise InputError(
            f"--calibrate: a temperature fitted on {faces} validation faces would be a guess; at "
            f"least {FEWEST} are needed (data.validation_fraction); leave out --calibrate"
        )


def _parser() -> argparse.ArgumentParser:
    result = parser("ferkeras.evaluate", __doc__)
    result.add_argument("run", metavar="RUN", help="folder of a run")
    result.add_argument(
        "--split",
        choices=("validation", "test", "train"),
        help="which faces (default: validation; with --data: all)",
    )
    result.add_argument(
        "--data", metavar="PATH", help="faces of your own: whatever python -m ferkeras.fit reads"
    )
    result.add_argument(
        "--calibrate", action="store_true", help="fit a temperature and store it with the run"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
