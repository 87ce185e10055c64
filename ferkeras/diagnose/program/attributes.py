"""Attributes of the program's own objects, given back with what they hold."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_MANY = 10_000
"""Elements above which a list is data, whose elements nobody changes."""

_LARGE = 1 << 24
"""Bytes above which an array is data."""


@contextmanager
def as_they_were(objects: Iterable[Any]) -> Iterator[None]:
    """Give objects back with the attributes that they have now, and these with their contents."""
    before = [(each, dict(vars(each))) for each in objects]
    contents = [
        (value, copy.copy(value))
        for value in _holders([attributes for _, attributes in before], {})
    ]
    try:
        yield
    finally:
        for each, attributes in before:
            vars(each).clear()
            vars(each).update(attributes)
        for value, content in contents:
            _fill(value, content)


@contextmanager
def counters_as_they_were(layers: Iterable[Any]) -> Iterator[None]:
    """Give layers of the program's own back with the numbers, and lists of them, that they keep.

    Other attributes go with what Keras knows of a layer: what it made is not made again.
    """
    own = [each for each in layers if not type(each).__module__.startswith("keras.")]
    numbers = [(each, {n: v for n, v in vars(each).items() if _is_number(v)}) for each in own]
    lists = [
        (value, list(value))
        for each in own
        for value in vars(each).values()
        if isinstance(value, list) and all(map(_is_number, value))
    ]
    try:
        yield
    finally:
        for each, attributes in numbers:
            vars(each).update(attributes)
        for value, content in lists:
            if value != content and all(map(_is_number, value)):
                _fill(value, content)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _holders(value: Any, seen: dict[int, Any]) -> Iterator[Any]:
    """Lists, dicts, sets and arrays in a value, at whatever depth, each once."""
    if id(value) in seen:
        return
    if isinstance(value, (list, dict, set, tuple)):
        seen[id(value)] = value
        if not isinstance(value, tuple):
            yield value
        if len(value) <= _MANY:
            for each in value.values() if isinstance(value, dict) else value:
                yield from _holders(each, seen)
    elif isinstance(value, np.ndarray) and value.nbytes <= _LARGE and value.flags.writeable:
        seen[id(value)] = value
        yield value


def _fill(value: Any, content: Any) -> None:
    if isinstance(value, np.ndarray):
        value[...] = content
        return
    value.clear()
    (value.extend if isinstance(value, list) else value.update)(content)
