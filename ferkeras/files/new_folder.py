"""New folders for what a command writes, so that nothing is ever replaced."""

from __future__ import annotations

from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.cli.foreign_text import for_file_name
from ferkeras.cli.home import expanded
from ferkeras.cli.wording import shown
from ferkeras.files.writing import demand_room

_WAY_OUT = "name another with --output DIR"


def check_output(output: str | None) -> None:
    """Refuse a folder for the results that has something in it, before any work is done.

    Args:
        output: the folder; None: one will be made in the working folder.

    Raises:
        InputError: it is not empty, no folder, or may not be written to.
        OSError: nothing can be written there.
    """
    if output is None:
        demand_room(Path(), _WAY_OUT)
        return
    folder = expanded(output)
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
    demand_room(folder, _WAY_OUT)


def make_folder(output: str | None, name: str) -> Path:
    """Make a new folder for what will be written; an existing one is never written to.

    Args:
        output: the folder; None: `name` in the working folder, with a number where that is taken.
        name: for instance ``check_data-fer2013``; what a file system may not take is replaced.

    Raises:
        InputError: as `check_output`, or the folder cannot be made.
    """
    check_output(output)
    try:
        if output is not None:
            folder = expanded(output)
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        name = for_file_name(name)
        number = 1
        while True:
            folder = Path(f"{name}-{number}" if number > 1 else name)
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1
    except OSError as error:
        raise InputError(
            f"{shown(folder)}: cannot be made ({error.strerror}); name another with --output"
        ) from None
