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
import contextlib
import functools
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ferkeras.cli.command import parser
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import named_path

OPTION = "--script"

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


class _Reached(BaseException):
    """The program calls `fit`; nothing in it may catch this."""


@dataclass
class Call:
    """A call of `fit`, as the program makes it.

    Attributes:
        model: the compiled model.
        arguments: of `fit`, by name.
        fit: file and line of the call.
        compile: file and line of the last call of `compile` on this model; empty where unknown.
        layers: file and line where each layer was made, by name.
        listed: the function that read files with labels in a list, the line, and two of the files
            that stand the other way round by number; None where none did, or another folder was
            read as well.
        leak: the finding that an earlier `fit` trained on what is held out now; None: it did not.
    """

    model: Any
    arguments: dict[str, Any]
    fit: str
    compile: str
    layers: dict[str, str] = field(default_factory=dict)
    listed: tuple[str, str, tuple[str, str]] | None = None
    leak: Any = None


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

    with Console() as console, console.working("loading TensorFlow"):
        import_tensorflow()
        from ferkeras.diagnose.program.labels import NoClassifier
        from ferkeras.diagnose.program.report import (
            print_program,
            write_program,
            write_program_page,
        )

    call = run_to_fit(script, list(argv[at + 2 :]), arguments.fit)
    with Console() as console:
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


def run_to_fit(script: Path, arguments: Sequence[str], which: int = 1) -> Call:
    """Run a program until it calls `fit` on a model.

    Args:
        script: a Python file.
        arguments: what the program finds in `sys.argv[1:]`.
        which: of its calls of `fit`, from 1; those before it are done.

    Raises:
        InputError: it ends or fails before.
    """
    reached: list[Call] = []
    argv, path = sys.argv, list(sys.path)
    with _recorded(script, reached, which):
        try:
            sys.argv = [str(script), *arguments]
            sys.path.insert(0, str(script.resolve().parent))
            runpy.run_path(str(script), run_name="__main__")
        except _Reached:
            return reached[-1]
        except SystemExit as end:
            raise InputError(
                f"{script}: it ended (exit code {end.code}) before {_nth(which, len(reached))}"
            ) from None
        except Exception as error:
            line = _line_of(error, script)
            raise InputError(
                f"{line}: the program fails before {_nth(which, len(reached))}: "
                f"{type(error).__name__}: {error}"
            ) from error
        finally:
            sys.argv = argv
            sys.path[:] = path
    if reached:
        raise InputError(f"{script}: it ended before {_nth(which, len(reached))}")
    raise InputError(
        f"{script}: it ended without calling fit on a Keras model; a program that trains "
        "with a loop of its own can call ferkeras.diagnose_model"
    )


def _nth(which: int, done: int) -> str:
    """What was not reached, in words."""
    if which == 1:
        return "it calls fit on a Keras model"
    times = "once" if done == 1 else f"{done} times"
    return f"the fit that --fit {which} asks for: it called fit {times}"


@contextlib.contextmanager
def _recorded(script: Path, reached: list[Call], which: int) -> Iterator[None]:
    """Note where layers are made and `compile` is called; stop at the `fit` that is asked for."""
    import inspect

    import keras
    import tensorflow as tf

    from ferkeras.diagnose.program.earlier_fits import EarlierFits
    from ferkeras.diagnose.program.listed_labels import READERS, other_order

    compiled: dict[int, str] = {}
    earlier = EarlierFits()
    fitting: list[Any] = []
    folders: dict[str, tuple[str, str, tuple[str, str]] | None] = {}
    # The layers are kept, so that no other gets the number of one that is gone.
    made: dict[int, tuple[Any, str]] = {}
    real_fit, real_compile, real_init = (
        keras.Model.fit,
        keras.Model.compile,
        keras.layers.Layer.__init__,
    )
    names = list(inspect.signature(real_fit).parameters)[1:]

    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        layers = {}
        for layer in self._flatten_layers(include_self=False):
            if id(layer) in made:
                layers[layer.name] = made[id(layer)][1]
        made_by = compiled.get(id(self), "")
        # Of several folders it is not known which one is trained on.
        listed = next(iter(folders.values())) if len(folders) == 1 else None
        call = Call(self, arguments, _caller(script), made_by, layers, listed)
        reached.append(call)
        if len(reached) == which:
            call.leak = earlier.leak(self, arguments)
            raise _Reached
        earlier.begin(self)
        fitting.append(self)
        try:
            result = real_fit(self, *args, **kwargs)
        finally:
            fitting.pop()
        earlier.note(self, arguments, call.fit)
        return result

    def judged(real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def judge(self: Any, x: Any = None, *args: Any, **kwargs: Any) -> Any:
            # `fit` evaluates, too.
            if not fitting:
                earlier.judge(self, x)
            return real(self, x, *args, **kwargs)

        return judge

    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        compiled[id(self)] = _caller(script)
        return real_compile(self, *args, **kwargs)

    def initialise(self: Any, *args: Any, **kwargs: Any) -> None:
        made[id(self)] = (self, _caller(script))
        real_init(self, *args, **kwargs)

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def read(directory: Any, labels: Any = "inferred", *args: Any, **kwargs: Any) -> Any:
            given = isinstance(labels, (list, tuple))
            files = other_order(directory, READERS[name]) if given else None
            found = None if files is None else (name, _caller(script), files)
            folders[str(directory)] = folders.get(str(directory)) or found
            return real(directory, labels, *args, **kwargs)

        return read

    patches: list[tuple[Any, str, Callable[..., Any]]] = [
        (keras.Model, "fit", fit),
        (keras.Model, "compile", compile),
        (keras.Model, "evaluate", judged(keras.Model.evaluate)),
        (keras.Model, "predict", judged(keras.Model.predict)),
        (keras.layers.Layer, "__init__", initialise),
        *(
            (owner, name, noted(name, getattr(owner, name)))
            for owner in (keras.utils, tf.keras.utils)
            for name in READERS
        ),
    ]
    before = [getattr(owner, name) for owner, name, _ in patches]
    try:
        for owner, name, function in patches:
            setattr(owner, name, function)
        yield
    finally:
        for (owner, name, _), real in zip(patches, before, strict=True):
            setattr(owner, name, real)


def _caller(script: Path) -> str:
    """File and line of the innermost frame that is the program's own."""
    home = str(script.resolve().parent)
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = os.path.realpath(frame.f_code.co_filename)
        if name == str(script.resolve()) or (
            name.startswith(home + os.sep) and "site-packages" not in name
        ):
            shown = script if name == str(script.resolve()) else Path(name)
            return f"{shown}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _line_of(error: BaseException, script: Path) -> str:
    lines = [
        entry.lineno
        for entry in traceback.extract_tb(error.__traceback__)
        if Path(entry.filename).name == script.name
    ]
    return f"{script}:{lines[-1]}" if lines else str(script)
