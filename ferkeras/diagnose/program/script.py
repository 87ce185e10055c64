"""Run somebody's program up to its first `fit`, and say what is wrong with what it calls it with.

  python -m ferkeras.diagnose --script train.py                    a program of your own
  python -m ferkeras.diagnose --seconds 120 --page why.html --script train.py --epochs 20
  python -m ferkeras.diagnose --fit 2 --script train.py            its second fit; the first is done

The program runs as `python train.py` does, with the arguments that follow it; its first `fit`, or
the one that `--fit` counts to, is not done, but examined: model, data, batch size, epochs. Nothing
after that line is run. For each cause its line is named: where the layer is made, where `compile`
or `fit` is called.

Exit codes: 0 nothing speaks against it. 1 a cause was found, or it learns nothing. 2 wrong usage,
no `fit` was reached, or it cannot be examined.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferkeras.cli.command import parser
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import named_path
from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.run_to_fit import Call, run_to_fit

OPTION = "--script"

_BACKEND = "KERAS_BACKEND"

_OWN = {"--seconds", "--page", "--json", "--fit", "--output"}

_BY_LAYER = frozenset(
    "softmax_on_one_unit sigmoid_for_exclusive_classes softmax_for_independent_labels "
    "softmax_over_another_axis no_output_activation relu_output activation_doubled "
    "output_units".split()
)
_BY_COMPILE = frozenset(
    "wrong_loss wrong_metric metric_contradicts_loss optimizer_holds_other_variables "
    "learning_rate_too_high learning_rate_too_low weight_penalty_too_strong gradients_clipped_away "
    "optimizer_arguments_shifted averages_overwrite_weights gradients_gathered_too_long "
    "learning_rate_fell_too_early other_outputs_dominate".split()
)


def diagnose_script(argv: Sequence[str]) -> int:
    """The command with `--script`; returns its exit code."""
    at = list(argv).index(OPTION)
    asks = argv[at + 1 : at + 2] in (["-h"], ["--help"])
    arguments = _parser().parse_args(["--help"] if asks else list(argv[:at]))
    if at + 1 >= len(argv):
        raise InputError(f"{OPTION}: expected a Python file after it, such as {OPTION} train.py")
    script = Path(argv[at + 1])
    if not script.is_file():
        raise InputError(f"{script}: no such file; expected a Python program after {OPTION}")
    for file in (arguments.json, arguments.page):
        if file is not None and file.exists():
            raise InputError(f"{file}: exists already; name a new file")

    from ferkeras.cli.console import Console
    from ferkeras.cli.quiet import import_tensorflow

    backends = [os.environ.get(_BACKEND)]
    with Console() as console, console.working("loading TensorFlow"):
        import_tensorflow()
        from ferkeras.diagnose.program.labels import NoClassifier
        from ferkeras.diagnose.program.report import (
            print_program,
            write_program,
            write_program_page,
        )

    call = run_to_fit(script, list(argv[at + 2 :]), arguments.fit)
    backends.append(os.environ.get(_BACKEND))
    with Console() as console:
        for backend in dict.fromkeys(backends):
            if backend not in (None, "", "tensorflow"):
                console.print(
                    f"note: {_BACKEND} asks for {shown(backend)}; the program is examined on "
                    "TensorFlow, and what it does on another backend is not seen"
                )
        for option in sorted(_OWN & set(argv[at + 2 :])):
            console.print(
                f"note: {option} stands after the program and was given to it; what is meant for "
                f"diagnose stands before {OPTION}"
            )
        console.print(f"{call.fit}: fit is called; looking for what keeps it from learning ...")
        try:
            with console.progress("looking for what keeps it from learning"):
                found = examine_call(call, arguments.seconds, arguments.output)
        except NoClassifier as error:
            raise InputError(f"{error}; {_another(arguments.fit)}") from None
        diagnosis = replace(found, program=str(script))
        print_program(diagnosis, console)
        if diagnosis.severity == "healthy":
            console.print(_another(arguments.fit))
        if arguments.json is not None:
            write_program(diagnosis, arguments.json)
            console.print(f"written: {arguments.json}")
        if arguments.page is not None:
            write_program_page(diagnosis, arguments.page)
            console.print(f"written: {arguments.page}")
    return 0 if diagnosis.severity == "healthy" else 1


def _another(fit: int) -> str:
    return f"if the program calls fit again, --fit {fit + 1} examines that call"


def _parser() -> argparse.ArgumentParser:
    result = parser("ferkeras.diagnose", __doc__)
    result.usage = (
        "%(prog)s [--seconds N] [--fit N] [--output NAME] [--page FILE] [--json FILE] "
        "--script PROGRAM [its arguments ...]"
    )
    result.add_argument(
        "--seconds", type=float, default=60.0, help="for all brief trainings (default: 60)"
    )
    result.add_argument(
        "--fit",
        type=_count,
        default=1,
        metavar="N",
        help="the fit that is examined, counted from 1; those before it are done (default: 1)",
    )
    result.add_argument(
        "--output",
        metavar="NAME",
        help="of several outputs, the one that is examined (default: the first of classes)",
    )
    result.add_argument(
        "--page", type=named_path, metavar="FILE", help="write them as an HTML page, with the lines"
    )
    result.add_argument(
        "--json", type=named_path, metavar="FILE", help="write the findings as JSON"
    )
    return result


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number, 1 or more")
    return int(text)


def examine_call(call: Call, seconds: float, output: str | None = None) -> Any:
    """Diagnose what `fit` was called with, with the lines of the program.

    Args:
        call: of `fit`.
        seconds: for all brief trainings together.
        output: name of the one that is examined, of several.

    Raises:
        InputError: the call cannot be examined.
    """
    from ferkeras.diagnose.program.diagnosis import diagnose_model
    from ferkeras.diagnose.program.listed_labels import labels_in_another_order
    from ferkeras.diagnose.program.record import learns_nothing

    given = call.arguments
    x, y = given.get("x"), given.get("y")
    weight = given.get("sample_weight")
    train = x if y is None else ((x, y) if weight is None else (x, y, weight))
    diagnosis = diagnose_model(
        call.model,
        train,
        given.get("validation_data"),
        batch_size=given.get("batch_size"),
        epochs=given.get("epochs", 1),
        steps_per_epoch=given.get("steps_per_epoch"),
        shuffle=bool(given.get("shuffle", True)),
        validation_split=given.get("validation_split", 0.0),
        class_weight=given.get("class_weight"),
        callbacks=_callbacks(given.get("callbacks")),
        seconds=seconds,
        output=output,
    )
    lines = {}
    brief = diagnosis.brief
    if call.listed and not diagnosis.findings and brief is not None and learns_nothing(brief):
        function, line, files = call.listed
        finding = replace(labels_in_another_order(function, files), line=line)
        diagnosis = replace(diagnosis, findings=(finding,), severity=finding.severity)
    if call.leak is not None and "leakage" not in diagnosis.causes:
        findings = (*diagnosis.findings, call.leak)
        findings = tuple(sorted(findings, key=lambda each: each.severity != "broken"))
        diagnosis = replace(diagnosis, findings=findings, severity=findings[0].severity)
    for finding in diagnosis.findings:
        if finding.line:
            lines[finding.cause] = finding.line
        elif finding.layer:
            lines[finding.cause] = call.layers.get(finding.layer, call.fit)
        elif finding.cause in _BY_LAYER:
            lines[finding.cause] = call.layers.get(diagnosis.output_layer, call.fit)
        elif finding.cause in _BY_COMPILE:
            lines[finding.cause] = call.compile or call.fit
        else:
            lines[finding.cause] = call.fit
    lines = {cause: line for cause, line in lines.items() if line}
    return replace(diagnosis, lines=lines, called=call.fit)


def _callbacks(given: Any) -> Sequence[Any]:
    """What `fit` takes for callbacks, as a sequence."""
    if given is None:
        return ()
    several = getattr(given, "callbacks", given)  # A CallbackList holds them.
    return list(several) if isinstance(several, (list, tuple)) else [several]
