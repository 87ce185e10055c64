"""Faces, read for a program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ferkeras.cli.home import path_given
from ferkeras.cli.lines import Progress, console_for
from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.data.classes import ClassesWanted
from ferkeras.data.faces import ReadFaces
from ferkeras.data.load import load_faces
from ferkeras.data.read_before import read_with


def load_data(
    path: str | Path,
    *,
    classes: ClassesWanted = None,
    size: int | tuple[int, int] | None = None,
    color: bool | None = None,
    cache: bool = True,
    progress: Progress | None = None,
) -> ReadFaces:
    """Read faces from any file or folder that `ferkeras fit` reads.

    Args:
        path: a table such as ``fer2013.csv``, a list of pictures, or a folder with one folder of
            pictures a class; ``demo`` for synthetic faces.
        classes: as `data.classes` has it; None for the classes that there are.
        size: side of a face in pixels, or height and width; None for what suits the faces.
        color: whether they are in colour; None for what most of them are.
        cache: keep what was read, and use what was kept.
        progress: takes lines about how far the reading is.

    Raises:
        InputError: the faces cannot be read; the message says where and why.
    """
    settings = {
        "data.path": path_given("path", path),
        "data.cache": cache,
        "data.classes": classes,
        "data.size": size,
        "data.color": color,
    }
    with console_for(progress) as console:
        config = with_values(Config(), settings)
        return replace(load_faces(config, console), settings=read_with(config))
