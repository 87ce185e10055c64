"""What the code of a function names, without calling it."""

from __future__ import annotations

import dis
import inspect
from types import CodeType
from typing import Any


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
