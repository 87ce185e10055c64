"""Where readings are kept."""

from __future__ import annotations

import os
from pathlib import Path

from ferkeras.files.inner import InnerPath

READER_VERSION = 11
"""Raised whenever the readers would read the same files differently."""

FOLDER = "ferkeras-faces"
"""The folder of the entries in the cache folder; nothing else is touched there."""


def cache_folder() -> Path | None:
    """Return where readings are kept, or None if there is no place.

    ``$FERKERAS_CACHE``, else ``$XDG_CACHE_HOME/ferkeras``, else ``~/.cache/ferkeras``.
    """
    if own := os.environ.get("FERKERAS_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    if Path(base).is_absolute():
        return Path(base) / "ferkeras"
    try:
        return Path.home() / ".cache" / "ferkeras"
    except RuntimeError:
        return None


def path_of(key: str) -> InnerPath | None:
    """Where the entry of a key is, or None if there is no place."""
    folder = cache_folder()
    return InnerPath(folder, FOLDER, f"faces-v{READER_VERSION}-{key}.npy") if folder else None


def table_beside(path: InnerPath) -> InnerPath:
    """Where the table of an entry is."""
    return path.parent / f"{path.stem}.csv"


def make_folder(path: InnerPath) -> None:
    """Make the folder of an entry, for this account alone."""
    path.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.mkdir(exist_ok=True)
