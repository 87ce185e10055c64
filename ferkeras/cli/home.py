"""Paths as people write them: `~` is a home folder."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import described, quoted


def path_given(what: str, value: object, expected: str = "a path") -> str:
    """A path that a program hands over, as text.

    Args:
        what: the parameter, for the message.
        value: what it was given.
        expected: what it takes, for the message.

    Raises:
        InputError: it is no path.
    """
    if isinstance(value, str | os.PathLike) and isinstance(path := os.fspath(value), str):
        return path
    raise InputError(f"{what}: expected {expected}, found {described(value)}")


def expanded(path: str | Path) -> Path:
    """The path with `~` and `~name` replaced by that home folder.

    Raises:
        InputError: nobody has that name, or it is no path at all.
    """
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{quoted(str(path), 200)}: not a path ({error})") from None


def named_path(text: str) -> Path:
    """A path that is an argument, without `~`; an empty one would mean the current folder.

    Raises:
        argparse.ArgumentTypeError: it is empty, or `~name` and nobody has that name.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty path")
    try:
        return expanded(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
