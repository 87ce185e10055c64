"""Faces that were read before a training is configured, and what they were read with.

A run's configuration says how its faces are had, so that it can be resumed and evaluated.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ferkeras.cli.errors import InputError
from ferkeras.config.file import with_values
from ferkeras.config.keys import as_yaml, flat
from ferkeras.config.schema import Config
from ferkeras.data.faces import ReadFaces
from ferkeras.data.load import DEMO

_READING = tuple(
    f"data.{name}"
    for name in (
        "path classes size color group_column detect_faces votes votes_as cache follow_symlinks"
    ).split()
)
_DRAWING = ("data.path", "data.demo_faces", "data.demo_label_noise", "seed")

_WITHOUT_EFFECT = ("data.cache", "data.follow_symlinks")
"""Keys that change how faces are read, and none of them."""

_ARGUMENTS = ("data.classes", "data.size", "data.color")
"""Those that change faces, of what `load_data` takes besides the path."""


def read_with(config: Config) -> dict[str, Any]:
    """The keys that decide which faces are read or drawn, with their values."""
    values = flat(config)
    return {key: values[key] for key in (_DRAWING if config.data.path == DEMO else _READING)}


def taken_over(read: ReadFaces, config: Config, given: Container[str]) -> Config:
    """A configuration with the settings that faces were read with.

    Args:
        read: the faces.
        config: what a training on them shall be like; its `data.path` is theirs.
        given: dotted keys that somebody asked for besides the configuration's file.

    Raises:
        InputError: the configuration asks for faces that are read otherwise.
    """
    wanted, defaults = flat(config), flat(Config())
    for key, value in read.settings.items():
        asked = wanted[key] != defaults[key] or key in given
        if wanted[key] == value or key in _WITHOUT_EFFECT or not asked:
            continue
        argument = f"{key.removeprefix('data.')}={wanted[key]!r}"
        again = f"read them with load_data(..., {argument}), or " if key in _ARGUMENTS else ""
        raise InputError(
            f"{key} = {as_yaml(wanted[key])}: these faces were read with {key}={as_yaml(value)}; "
            f"{again}give their path as data"
        )
    taken = {key: value for key, value in read.settings.items() if key not in _WITHOUT_EFFECT}
    return with_values(config, taken)
