"""The faces of a run, also where they have moved since."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.invocation import command_line
from ferkeras.cli.wording import quoted
from ferkeras.config.file import read_override
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.data.load import DEMO, load_splits
from ferkeras.data.votes import COLUMNS

PATH, VOTES = "data.path", "data.votes"
"""Keys that say where the faces of a run are, and the votes on them."""


def settings_asked(
    overrides: Sequence[str], allowed: Sequence[str], refusal: str
) -> dict[str, Any]:
    """What ``section.key=value`` beside a run asks for; the values are not checked.

    Args:
        overrides: as given.
        allowed: keys that may be given.
        refusal: what is said of any other, after its name.

    Raises:
        InputError: another key is given, or one twice.
    """
    asked: dict[str, Any] = {}
    for text in overrides:
        key, value = read_override(text)
        if key not in allowed:
            raise InputError(f"{quoted(key, 80)}: {refusal}")
        if key in asked:
            raise InputError(f"command line: {key}: given twice; keep one")
        asked[key] = value
    return asked


def splits_of_run(
    config: Config, console: Console, verb: str, *words: str | PathLike[str]
) -> Splits:
    """The faces of a run.

    Args:
        config: the run's.
        console: is told what is read.
        verb: that is called again where the faces have moved.
        words: before the new place on its command line.

    Raises:
        InputError: they cannot be read; where they are gone, how to name the new place.
    """
    try:
        return load_splits(config, console)
    except InputError as error:
        places = {PATH: config.data.path, VOTES: config.data.votes}
        gone = [
            f"{key}=PATH"
            for key, place in places.items()
            if place not in (None, DEMO, COLUMNS) and not expanded(place).exists()
        ]
        if not gone:
            raise
        moved = command_line(verb, *words, *gone)
        raise InputError(f"{error}\nif the faces have moved: {moved}") from None
