"""What a run has made, written down before it is made, so that nothing else is ever removed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import write_json

MADE_FILE = ".ferkeras-made.json"
_LARGEST = 1 << 20


class Made:
    """The list of files that a run makes in its folder; whoever has locked it reads and writes it.

    A name gets on the list while there is no file of that name: whatever has it later was made by
    the run. Names of files that are there already never get on it, so that a file that somebody
    else put there is neither removed nor replaced.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: InnerPath) -> None:
        self._folder = folder
        self._list = folder / MADE_FILE

    def expect(self, paths: Sequence[InnerPath]) -> None:
        """Put files that are about to be made on the list.

        Raises:
            InputError: one is there already and not on the list.
        """
        known = self._known()
        foreign = [path for path in paths if path.exists() and path not in known]
        if foreign:
            raise InputError(
                f"{shown(foreign[0])}: not made by this run, which would replace it; move it away"
            )
        names = {"/".join(path.parts) for path in (*known, *paths)}
        write_json(self._list, {"made": sorted(names)})

    def remove(self, only: Sequence[InnerPath]) -> None:
        """Remove what is on the list and in `only`, and folders that are empty then."""
        known = [path for path in self._known() if path in only]
        folders = {
            InnerPath(path.root, *path.parts[:depth])
            for path in known
            for depth in range(1, len(path.parts) + 1)
        }
        for path in known:
            if path.is_file():
                path.unlink()
        for folder in sorted(folders, reverse=True):
            if folder.is_dir() and not folder.iterdir():
                folder.rmdir()

    def _known(self) -> list[InnerPath]:
        try:
            names = json.loads(self._list.read_bytes(_LARGEST))["made"]
            return [InnerPath(self._folder.root, *name.split("/")) for name in names]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError(
                f"{shown(self._list)}: damaged; remove it, and files of an earlier attempt besides"
            ) from None
