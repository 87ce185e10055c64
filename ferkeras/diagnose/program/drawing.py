"""Random numbers that a function asks Python or NumPy for."""

from __future__ import annotations

import dis
import inspect
import random
import sys
import sysconfig
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from ferkeras.diagnose.program.lent import silence
from ferkeras.diagnose.program.nothing_written import nothing_written

_SOURCES = (random.Random, np.random.RandomState, np.random.Generator)
_STANDARD = sysconfig.get_path("stdlib")
_BETWEEN = ("CACHE", "PUSH_NULL", "PRECALL", "EXTENDED_ARG", "COPY_FREE_VARS")
"""Instructions that stand between a name and its attribute."""


def drawn_once(function: Any, element: Any) -> str:
    """What a function draws with as TensorFlow reads it, by its name; empty where it does not.

    It is read once more for that, with nothing written, and the sources of its numbers are given
    back as they were.

    Args:
        function: that a pipeline calls.
        element: what it is given, as `tf.data.Dataset.element_spec` has it.
    """
    sources = sources_in(function)
    if not sources:
        return ""
    before = [_state(each) for each in sources.values()]
    try:
        with nothing_written(), silence():
            given = element if isinstance(element, tuple) else (element,)
            tf.function(function).get_concrete_function(*given)
        drawn = [
            name
            for (name, each), state in zip(sources.items(), before, strict=True)
            if repr(_state(each)) != repr(state)
        ]
    except Exception:
        # It cannot be read by itself; what it draws is not known.
        return ""
    finally:
        for each, state in zip(sources.values(), before, strict=True):
            _put_back(each, state)
    return drawn[0] if drawn else ""


def sources_in(function: Any) -> dict[str, Any]:
    """Sources of random numbers that a function names, each by the first name that it has there.

    Functions of the program that it calls are read as well; nothing is called.
    """
    reader = _Reader()
    reader.read(function)
    return reader.found


class _Reader:
    """Reads functions, each once."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self._read: set[CodeType] = set()

    def read(self, function: Any) -> None:
        function = inspect.unwrap(function) if callable(function) else function
        owner = getattr(function, "__self__", None)
        function = getattr(function, "__func__", function)
        if not isinstance(function, FunctionType) or _is_of_a_library(function.__code__):
            return
        held = map(_content, function.__closure__ or ())
        cells = dict(zip(function.__code__.co_freevars, held, strict=True))
        # A method of an object may draw with what that holds.
        itself = {} if owner is None else {function.__code__.co_varnames[0]: owner}
        self._read_code(function.__code__, {**function.__globals__, **cells, **itself}, owner)

    def _read_code(self, code: CodeType, known: dict[str, Any], owner: Any = None) -> None:
        if code in self._read:
            return
        self._read.add(code)
        value, name = None, ""
        for each in dis.get_instructions(code):
            fast = owner is not None and each.opname.startswith("LOAD_FAST")
            if fast or each.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
                # Of what is local only the object itself is known.
                there = not fast or known.get(each.argval) is owner
                value, name = known.get(each.argval) if there else None, str(each.argval)
            elif each.opname in ("LOAD_ATTR", "LOAD_METHOD") and value is not None:
                name = f"{name}.{each.argval}"
                if isinstance(value, _SOURCES):
                    self._found(name, value)
                held = isinstance(value, ModuleType) or value is owner
                value = _part(value, each.argval) if held else None
            elif isinstance(each.argval, CodeType):
                self._read_code(each.argval, known)
            elif each.opname not in _BETWEEN:
                value, name = None, ""
            if isinstance(source := getattr(value, "__self__", None), _SOURCES):
                self._found(name, source)
            if isinstance(value, FunctionType):
                self.read(value)

    def _found(self, name: str, source: Any) -> None:
        if all(source is not each for each in self.found.values()):
            self.found[name] = source


def _state(source: Any) -> Any:
    if isinstance(source, random.Random):
        return source.getstate()
    return (
        source.bit_generator.state
        if isinstance(source, np.random.Generator)
        else (source.get_state())
    )


def _put_back(source: Any, state: Any) -> None:
    if isinstance(source, random.Random):
        source.setstate(state)
    elif isinstance(source, np.random.Generator):
        source.bit_generator.state = state
    else:
        source.set_state(state)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        # It is given its value later.
        return None


def _part(holder: Any, name: str) -> Any:
    """What a module or an object has by a name, without asking for it.

    NumPy and TensorFlow make some of their modules when asked.
    """
    if isinstance(holder, ModuleType):
        return vars(holder).get(name, sys.modules.get(f"{holder.__name__}.{name}"))
    return inspect.getattr_static(holder, name, None)


def _is_of_a_library(code: CodeType) -> bool:
    return "-packages" in code.co_filename or code.co_filename.startswith(_STANDARD)
