"""What goes, so that the cache does not grow for ever."""

from __future__ import annotations

import contextlib
import re
import time

import numpy as np

from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import ABANDONED_SECONDS, is_temporary

KEPT, KEPT_BYTES = 8, 32 * 2**30
"""Readings kept, and their size in all, where there is more than one; the ones longest unused go
first. FER2013 takes 80 MB, 300,000 colour faces of 112 pixels take 11 GB."""

_ENTRY = re.compile(r"faces-v\d+-[0-9a-f]{64}\.npy")

_TABLE = re.compile(r"faces-v\d+-[0-9a-f]{64}\.csv")


def prune(folder: InnerPath, coming: int = 0) -> None:
    """Remove the entries that were not used for longest, and what killed processes left.

    Args:
        folder: of the entries.
        coming: bytes of an entry for which room is made.
    """
    states = {}
    for each in folder.iterdir():
        # Another process may tidy up, or finish a file, at the same time.
        with contextlib.suppress(FileNotFoundError):
            states[each] = each.stat()
    entries = [each for each in states if _ENTRY.fullmatch(each.name)]
    entries.sort(key=lambda each: states[each].st_mtime, reverse=True)
    sizes = np.cumsum([states[each].st_size for each in entries]) + coming
    # The one that was used last stays, however large it is.
    surplus = [
        each
        for place, each in enumerate(entries)
        if place >= KEPT - bool(coming) or (sizes[place] > KEPT_BYTES and (place or coming))
    ]
    long_ago = time.time() - ABANDONED_SECONDS
    staying = {each.stem for each in entries} - {each.stem for each in surplus}
    abandoned = [
        each
        for each in states
        if (is_temporary(each.name) or (_TABLE.fullmatch(each.name) and each.stem not in staying))
        and states[each].st_mtime < long_ago
    ]
    for each in [*surplus, *abandoned]:
        each.unlink(missing_ok=True)
