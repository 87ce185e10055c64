"""Where faces lie: a path with its state, or what is wrong with it and what was meant."""

from __future__ import annotations

import os
from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, nearest, quoted, shown
from ferkeras.data.presets import ferplus

_MAX_NEIGHBOURS = 10_000

FER2013_PAGE = (
    "https://www.kaggle.com/competitions/"
    "challenges-in-representation-learning-facial-expression-recognition-challenge/data"
)
"""Where FER2013's makers offer it."""


def source_at(path: str | Path) -> tuple[Path, os.stat_result]:
    """Return the path with ``~`` expanded and what the system knows of it."""
    try:
        path = Path(path).expanduser()
        return path, path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(Path(path)) from error
    except OSError as error:
        raise cannot_read(path, error) from error
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{quoted(str(path), 200)}: not a path ({error})") from error


def _missing(path: Path) -> InputError:
    above = path.parent
    while not above.is_dir() and above != above.parent:
        above = above.parent
    if above != path.parent:
        return InputError(
            f"{shown(path)}: no such file or folder; there is {shown(above)}, but no "
            f"{quoted(path.relative_to(above).parts[0], 200)} in it"
        )
    try:
        with os.scandir(above) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MAX_NEIGHBOURS), strict=False)]
    except OSError:
        names = []
    near = nearest(path.name, names, cutoff=0.8)
    hint = f"; did you mean {shown(above / near)}?" if near else f" in {shown(above.absolute())}"
    if not near and path.name.lower().startswith(("fer2013new", "ferplus")):
        hint += f"; FER+ is had from {ferplus.PAGE}"
    elif not near and path.name.lower().startswith(("fer2013", "icml_face_data", "train.csv")):
        hint += f"; FER2013 is had from {FER2013_PAGE}"
    return InputError(f"{shown(path)}: no such file or folder{hint}")
