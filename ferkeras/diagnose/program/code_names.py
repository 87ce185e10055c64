"""What the code of a function names, without calling it."""

from __future__ import annotations

import dis
import inspect
import random
import sys
import sysconfig
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

_DRAW = (random.Random, np.random.RandomState, np.random.Generator)
_ORDERS = ("seed", "getstate", "setstate", "get_state", "set_state", "bit_generator", "spawn")
"""Of what draws, methods that draw nothing."""

_STANDARD = sysconfig.get_path("stdlib")
_BETWEEN = ("CACHE", "PUSH_NULL", "PRECALL", "EXTENDED_ARG", "COPY_FREE_VARS")
"""Instructions that stand between a name and its attribute."""


def names_of(function: Any) -> set[str]:
    """Attributes and globals that a function of the program names; none of what is no such."""
    return set() if (code := _code_of(function)) is None else set(code.co_names)


def attributes_set(function: Any, of: str) -> set[str]:
    """Attributes that a function sets of what it calls `of`, as in ``self.model.of.name = 1``."""
    code, found, before = _code_of(function), set(), None
    for each in () if code is None else dis.get_instructions(code):
        if each.opname == "STORE_ATTR" and before == of:
            found.add(each.argval)
        before = each.argval if each.opname.startswith("LOAD_") else None
    return found


def _code_of(function: Any) -> CodeType | None:
    function = inspect.unwrap(function) if callable(function) else function
    return getattr(getattr(function, "__func__", function), "__code__", None)


def drawn_in(function: Any) -> str:
    """The first random number that a function asks Python or NumPy for, by its name; else empty.

    Functions of the program that it calls are read as well.
    """
    return _Reader().of(function)


class _Reader:
    """Reads functions, each once."""

    def __init__(self) -> None:
        self._read: set[CodeType] = set()

    def of(self, function: Any) -> str:
        function = inspect.unwrap(function) if callable(function) else function
        function = getattr(function, "__func__", function)
        if not isinstance(function, FunctionType) or _is_of_a_library(function.__code__):
            return ""
        cells = dict(
            zip(
                function.__code__.co_freevars,
                map(_content, function.__closure__ or ()),
                strict=True,
            )
        )
        return self._of_code(function.__code__, {**function.__globals__, **cells})

    def _of_code(self, code: CodeType, known: dict[str, Any]) -> str:
        if code in self._read:
            return ""
        self._read.add(code)
        value, name = None, ""
        for each in dis.get_instructions(code):
            if each.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
                value, name = known.get(each.argval), str(each.argval)
            elif each.opname in ("LOAD_ATTR", "LOAD_METHOD") and value is not None:
                # Of modules alone: anything else may do something when it is asked.
                of_draws = isinstance(value, _DRAW)
                name = f"{name}.{each.argval}"
                value = _part(value, each.argval) if isinstance(value, ModuleType) else None
                if of_draws and not name.endswith(_ORDERS):
                    return name
            elif isinstance(each.argval, CodeType):
                if drawn := self._of_code(each.argval, known):
                    return drawn
            elif each.opname not in _BETWEEN:
                value, name = None, ""
            if isinstance(getattr(value, "__self__", None), _DRAW) and not name.endswith(_ORDERS):
                return name
            if isinstance(value, FunctionType) and (drawn := self.of(value)):
                return drawn
        return ""


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        # It is given its value later.
        return None


def _part(module: ModuleType, name: str) -> Any:
    """What a module has by a name; NumPy and TensorFlow make some of theirs when asked."""
    return vars(module).get(name, sys.modules.get(f"{module.__name__}.{name}"))


def _is_of_a_library(code: CodeType) -> bool:
    return "-packages" in code.co_filename or code.co_filename.startswith(_STANDARD)
