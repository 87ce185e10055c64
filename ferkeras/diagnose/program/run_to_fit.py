"""Run somebody's program until it calls `fit`, and note where layers are made and compiled."""

from __future__ import annotations

import contextlib
import functools
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferkeras.cli.errors import InputError


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
