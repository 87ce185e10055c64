"""How text from outside is shown in a message: short, printable, with the nearest name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence

from ferkeras.cli.errors import InputError


def quoted(found: str | bytes, limit: int = 40) -> str:
    """Return `found` in quotes, control characters escaped, cut after `limit` characters."""
    text = found.decode("utf-8", "replace") if isinstance(found, bytes) else found
    return repr(text if len(text) <= limit else text[:limit] + "...")


def described(value: object, limit: int = 60) -> str:
    """Return a value of a program as one short line; of an array kind and shape alone."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[:limit] + "..."


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as it stands, or escaped where it would not print as one line."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def listed(names: Sequence[str], most: int = 8) -> str:
    """Write ``a, b, c``, or ``a, b, ... and 30 more`` where there are more than `most`."""
    shorter = len(names) > most
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if shorter else "")


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the name most like `name`, or None if none is alike.

    Upper and lower case count as the same. Only the first 80 characters of `name` are compared.

    Args:
        name: what was found.
        names: what would have been right.
        cutoff: least likeness, 0 (anything) to 1 (equal), as `difflib.get_close_matches` has it.
    """
    by_lower = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name[:80].lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the name nearest to `name`, or ``";"`` if none is."""
    near = nearest(name, names)
    return f"; did you mean {quoted(near)}?" if near else ";"


def cannot_read(path: str | os.PathLike[str], error: OSError) -> InputError:
    """Return the InputError for an operating-system error met while reading `path`."""
    if isinstance(error, PermissionError):
        return InputError(
            f"{shown(path)}: not readable with your permissions; "
            "ask its owner or change its permissions (chmod u+r, and u+x for folders)"
        )
    return InputError(f"{shown(path)}: cannot be read: {error.strerror or error}")
