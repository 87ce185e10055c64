"""New folders for what a command found; nothing that exists is written to."""

from __future__ import annotations

import re
from pathlib import Path

from ferkeras.data.wording import shown
from ferkeras.errors import InputError


def check_output(output: str | None) -> None:
    """Refuse a folder for the results that has something in it, before any work is done.

    Raises:
        InputError: it is not empty, or no folder.
    """
    if output is None:
        return
    folder = Path(output).expanduser()
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        if there is folder and any(folder.iterdir()):
            raise InputError(
                f"--output {shown(folder)}: not empty; name a new folder, nothing is replaced"
            )
        if not there.is_dir():
            raise InputError(
                f"--output {shown(folder)}: {shown(there)} is no folder; name a new folder"
            )
    except OSError as error:
        raise InputError(
            f"--output {shown(folder)}: cannot be written to ({error.strerror}); name a new folder"
        ) from None


def make_folder(output: str | None, verb: str, source: str) -> Path:
    """Make a new folder for what will be written; an existing one is never written to.

    Args:
        output: the folder; None: `<verb>-<name of the source>`, with a number where that is taken.
        verb: whose results it holds.
        source: what they are about.

    Raises:
        InputError: as `check_output`, or the folder cannot be made.
    """
    check_output(output)
    try:
        if output is not None:
            folder = Path(output).expanduser()
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        name = re.sub(r"[^\w-]+", "-", Path(source).expanduser().resolve().name.split(".")[0])
        number = 1
        while True:
            folder = Path(f"{verb}-{name}" + (f"-{number}" if number > 1 else ""))
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1
    except OSError as error:
        raise InputError(
            f"{shown(folder)}: cannot be made ({error.strerror}); name another with --output"
        ) from None
