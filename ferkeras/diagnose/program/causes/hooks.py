"""Methods that were meant to be called by `fit` and have another name than it calls."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import keras

from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.finding import (
    PROVEN,
    CodeRemedy,
    Evidence,
    ProgramFinding,
    line_of,
)
from ferkeras.diagnose.program.program import Program

_MEANT = {"start": "begin", "started": "begin", "finish": "end", "finished": "end", "stop": "end"}
"""Words of other libraries for what Keras calls begin and end."""


def hook_never_called(program: Program) -> ProgramFinding | None:
    """A callback or a data set has a method that nothing calls, nearly named as one that is."""
    data = program.rehearsals.data
    renewed = isinstance(data, keras.utils.PyDataset)
    for owner in [*([data] if renewed else []), *program.rehearsals.given]:
        base = keras.utils.PyDataset if owner is data else keras.callbacks.Callback
        hooks = [name for name in dir(base) if name.startswith("on_")]
        for name, method in _own_methods(type(owner)):
            meant = _meant(name, hooks)
            if meant is None or _is_called(name, type(owner)):
                continue
            kind = shown(type(owner).__name__)
            return ProgramFinding(
                cause="hook_never_called",
                verdict=f"{kind}.{shown(name)} is never called: the method that `fit` calls there "
                f"is {meant}"
                + (", so every epoch has the rows of the first." if owner is data else "."),
                evidence=(
                    Evidence(
                        f"methods that a {base.__name__} is called by", ", ".join(hooks), name, 0.0
                    ),
                ),
                remedies=(
                    CodeRemedy(
                        "give it the name that is called",
                        "what the method was written for",
                        code=f"def {meant}(self, ...):  # in {kind}",
                    ),
                ),
                reason="The methods of the class are read, and what they call themselves.",
                source=f"Keras documentation: {base.__name__}",
                severity="broken" if owner is data else "suspicious",
                confidence=PROVEN,
                line=line_of(method),
            )
    return None


def _own_methods(owner: type) -> Iterator[tuple[str, Any]]:
    """Methods that the program wrote for a class and for those that it inherits from."""
    for each in owner.__mro__:
        if each.__module__.partition(".")[0] in ("keras", "tensorflow", "builtins"):
            return
        for name, value in vars(each).items():
            if isinstance(value, types.FunctionType) and name.startswith("on_"):
                yield name, value


def _meant(name: str, hooks: list[str]) -> str | None:
    """The hook that a name stands for that is none itself; None of any other name."""
    if name in hooks:
        return None
    words = "_".join(_MEANT.get(word, word.removesuffix("s")) for word in name.split("_"))
    return next((hook for hook in hooks if hook in (words, f"{words}_end")), None)


def _is_called(name: str, owner: type) -> bool:
    """Whether a method of the class, or of those it inherits from, mentions the name."""
    return any(
        name in method.__code__.co_names
        for each in owner.__mro__
        for method in vars(each).values()
        if isinstance(method, types.FunctionType)
    )
