"""Paths as people write them: `~` is a home folder."""

from __future__ import annotations

from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import quoted


def expanded(path: str | Path) -> Path:
    """The path with `~` and `~name` replaced by that home folder.

    Raises:
        InputError: nobody has that name, or it is no path at all.
    """
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{quoted(str(path), 200)}: not a path ({error})") from None
