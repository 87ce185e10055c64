"""Methods that were meant to be called by `fit` and have another name than it calls."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import keras

from ferkeras.cli.wording import listed, shown
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
    data, callbacks = program.rehearsals.data, program.rehearsals.given
    renewed = [data] if isinstance(data, keras.utils.PyDataset) else []
    called = set().union(*(_mentioned(each) for each in (*renewed, *callbacks)))
    for owner in (*renewed, *callbacks):
        base = keras.utils.PyDataset if owner is data else keras.callbacks.Callback
        hooks = [name for name in dir(base) if name.startswith("on_")]
        for name, method in _own_methods(type(owner)):
            meant = _meant(name, hooks)
            if meant is None or name in called or _has(type(owner), meant, base):
                continue
            kind = shown(type(owner).__name__)
            changed = program.rehearsals.changed_by(name) if owner is data else []
            what = f", so {listed(changed)} stay{'s' * (len(changed) == 1)} as at first"
            return ProgramFinding(
                cause="hook_never_called",
                verdict=f"`fit` never calls {kind}.{shown(name)}: the method that it calls there "
                f"is {meant}{what if changed else ''}.",
                evidence=(
                    Evidence(f"name of the method of a {base.__name__}", shown(name), meant, 0.0),
                ),
                remedies=(
                    CodeRemedy(
                        "give it the name that is called",
                        "what the method was written for",
                        code=f"def {meant}(self, ...):  # in {kind}",
                    ),
                ),
                reason="The methods of the class are read, and what they and the callbacks call; "
                "what one of a data set changes is tried on a copy.",
                source=f"Keras documentation: {base.__name__}",
                severity="broken" if changed else "suspicious",
                confidence=PROVEN,
                line=line_of(method),
            )
    return None


def _own_methods(owner: type) -> Iterator[tuple[str, Any]]:
    """Methods that the program wrote for a class and for those that it inherits from."""
    for each in owner.__mro__:
        for name, value in vars(each).items():
            if name.startswith("on_") and line_of(value):
                yield name, value


def _meant(name: str, hooks: list[str]) -> str | None:
    """The hook that a name stands for that is none itself; None of any other name."""
    if name in hooks:
        return None
    words = "_".join(_MEANT.get(word, word.removesuffix("s")) for word in name.split("_"))
    return next((hook for hook in hooks if hook in (words, f"{words}_end")), None)


def _has(owner: type, hook: str, base: type) -> bool:
    """Whether a class has written the hook as well."""
    return getattr(owner, hook) is not getattr(base, hook)


def _mentioned(owner: Any) -> set[str]:
    """Names that the code of an object mentions: its methods, and functions that it holds."""
    held = [
        value
        for space in (vars(owner), *map(vars, type(owner).__mro__))
        for value in space.values()
        if isinstance(value, types.FunctionType | types.MethodType)
    ]
    return set().union(*(_names(each.__code__) for each in held))


def _names(code: types.CodeType) -> set[str]:
    """Names and texts in some code, and in the functions inside it."""
    found = {*code.co_names, *(each for each in code.co_consts if isinstance(each, str))}
    inner = (each for each in code.co_consts if isinstance(each, types.CodeType))
    return found.union(*map(_names, inner))
