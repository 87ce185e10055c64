"""Text of strangers (names of runs, classes, files, sources), by where it is going to.

Pages (HTML) are filled in by Jinja, which escapes by itself.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath

_LONGEST_NAME = 80
_PART = r"""[^\s/\\'"`,;:()\[\]{}<>|=]+[/\\]"""
_FOLDERS = re.compile(
    rf"(?<![\w.~/\\:-])"
    rf"(?:~\w*[/\\](?:{_PART})*|(?:[A-Za-z]:)?[/\\](?:{_PART})+|\.\.[/\\](?:{_PART})*)"
)
"""What stands before the last part of a path that leads away: `/home/ann/`, `~/faces/`, `../ann/`,
`C:\\faces\\`."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def for_terminal(text: str) -> str:
    """As it stands, but for what a terminal would obey or not show: that is escaped.

    Lines stay lines. Escape sequences, other control characters, marks that turn the direction of
    writing, spaces that look like others and undecodable bytes become `\\x1b`, `\\u202e`, ...
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        each if each == "\n" or each.isprintable() else ascii(each)[1:-1] for each in text
    )


def for_line(text: str) -> str:
    """The same for names, which have no lines: a line break is escaped too."""
    return for_terminal(text).replace("\n", "\\n")


def for_markdown(text: str) -> str:
    """On one line, with everything escaped that is markup in Markdown or HTML."""
    line = for_terminal(" ".join(text.split()))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w)|(?<!\w)#)", r"\\\1", line)


def for_code(text: str) -> str:
    """On one line, without the backquotes that would end Markdown's `code`."""
    return for_terminal(" ".join(text.split())).replace("`", "'")


def for_csv(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def path_for_csv(path: str) -> str:
    """The same for a path, which stays a path to the same file."""
    return os.path.join(".", path) if path.startswith(_FORMULA) else path  # noqa: PTH118


def last_part(path: str) -> str:
    """The name at the end of a path that tells of a machine's folders; any other as it is.

    Those are absolute ones, ones in somebody's home, and ones that climb out of the current folder.
    """
    return PurePath(path).name if _tells(path) else path


def _tells(path: str) -> bool:
    return leads_away(path) or ".." in PurePath(path).parts


def leads_away(text: str) -> bool:
    """Whether a text is, by its beginning, a path that `last_part` cuts; no sentence is."""
    parts = PurePath(text)
    return parts.is_absolute() or text[:1] == "~" or parts.parts[:1] == ("..",)


def without_folders(text: str, known: Iterable[str] = ()) -> str:
    """The text with each path in it that leads away (see `last_part`) cut to its last part.

    Args:
        text: a sentence, a word of a command line, code.
        known: paths that may be in it, also ones with spaces.
    """
    away = (each.rstrip("/\\") for each in known if _tells(each))
    for path in sorted(filter(None, away), key=len, reverse=True):
        text = text.replace(path, PurePath(path).name)
    return _FOLDERS.sub("", text)


def for_file_name(text: str) -> str:
    """Letters, digits, `.`, `-` and `_` alone, at most 80 of them: a name on every system.

    Letters lose their marks, others and all else become dashes.
    """
    letters = "".join(
        each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each)
    )
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", letters).strip("-.")[:_LONGEST_NAME]
    return plain or "unnamed"
