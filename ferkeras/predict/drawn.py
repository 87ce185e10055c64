"""How a picture says that predict drew it, so that predict looks for no faces in it."""

from __future__ import annotations

from pathlib import Path

DRAWN = {"Description": "drawn by ferkeras.predict --draw"}
"""The text in the PNG files that are drawn: keyword and content."""

_MARK = DRAWN["Description"].encode("ascii")
_HEAD = 1024


def is_drawn(path: Path) -> bool:
    """Whether a file is a picture that predict drew; False where it cannot be read."""
    if path.suffix.lower() != ".png":
        return False
    try:
        # What is no regular file may never end.
        if not path.is_file():
            return False
        with path.open("rb", buffering=0) as file:
            return _MARK in file.read(_HEAD)
    except OSError:
        return False
