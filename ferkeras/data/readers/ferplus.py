"""The table of votes of FER+, ``fer2013new.csv``."""

from __future__ import annotations

import csv
from array import array
from contextlib import closing
from pathlib import Path

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import did_you_mean, quoted, shown
from ferkeras.data.presets.ferplus import VOTED_FOR
from ferkeras.data.readers.text_lines import lines_of
from ferkeras.data.readers.votes import MOST_VOTES, NO_CLASS, Votes

_COLUMNS = (*VOTED_FOR, *NO_CLASS)
_USAGE_CODES = {"training": 1, "publictest": 2, "privatetest": 3}
_MOST_ROWS = 1_000_000


def read_ferplus(path: Path) -> Votes:
    """Read the ``fer2013new.csv`` of FER+.

    Args:
        path: the file, plain, gzipped or alone in a zip archive.

    Raises:
        InputError: it is no such file; the message names the line, or the columns that are
            missing.
    """
    counts = array("f")
    usage = array("b")
    places: list[int] = []
    names: list[str] = []
    with closing(lines_of(path)) as lines:  # type: ignore[type-var]
        for number, line in lines:
            at = f"{shown(path)}, line {number}"
            fields = _fields(at, line)
            if not places:
                places, names = _places(at, fields), fields
                continue
            if len(fields) != len(names):
                raise InputError(
                    f"{at}: {len(fields)} fields, expected {len(names)} as in the first line"
                )
            if len(usage) == _MOST_ROWS:
                raise InputError(f"{at}: more than {_MOST_ROWS:,} rows")
            split = fields[places[0]].strip().lower()
            if split not in _USAGE_CODES:
                raise InputError(
                    f"{at}: unknown Usage {quoted(split)}; expected Training, "
                    "PublicTest or PrivateTest"
                )
            usage.append(_USAGE_CODES[split])
            counts.extend(_vote(at, fields[place]) for place in places[1:])
    if not usage:
        raise InputError(f"{shown(path)}: no votes: nothing follows the line of column names")
    return Votes(
        tuple(names[place].strip() for place in places[1:]),
        np.array(counts, np.float32).reshape(-1, len(_COLUMNS)),
        f"{shown(path)}, line 1",
        np.array(usage, np.int8),
        slips=True,
    )


def _fields(at: str, line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8-sig")], strict=True))
    except (csv.Error, UnicodeDecodeError, StopIteration) as error:
        raise InputError(f"{at}: no line of a table ({error})") from error


def _places(at: str, fields: list[str]) -> list[int]:
    """Where Usage and each of `_COLUMNS` stand."""
    names = [name.strip().lower() for name in fields]
    wanted = ("usage", *_COLUMNS)
    expected = f"expected the fer2013new.csv of FER+: Usage, Image name, {', '.join(_COLUMNS)}"
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise InputError(f"{at}: {names.count(twice[0])} columns named {twice[0]}; {expected}")
    missing = [name for name in wanted if name not in names]
    if len(missing) == 1:
        hint = did_you_mean(missing[0], names)
        raise InputError(f"{at}: no column named {missing[0]}{hint} {expected}")
    if missing:
        raise InputError(f"{at}: no columns named {', '.join(missing)}; {expected}")
    return [names.index(name) for name in wanted]


def _vote(at: str, field: str) -> int:
    text = field.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 5) or int(text) > MOST_VOTES:
        raise InputError(
            f"{at}: {quoted(field)} is no number of votes; expected 0 to {MOST_VOTES:,}"
        )
    return int(text)
