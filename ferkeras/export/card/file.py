"""The file that a model card is: signed, so that one that somebody has edited is never replaced."""

from __future__ import annotations

import hashlib
from itertools import chain, count

from ferkeras.files.inner import AnyPath, InnerPath, folder_of
from ferkeras.files.writing import write_text

CARD = "README.md"

_SIGNATURE = b"\n<!-- as ferkeras wrote it, "
_LARGEST = 1 << 20


def write_card(folder: AnyPath, card: str) -> InnerPath:
    """Write a model card as `README.md`, or beside one that was edited; return where it is."""
    path = current_card(folder)
    write_text(path, f"{card}{_signature(card.encode()).decode()}")
    return path


def current_card(folder: AnyPath) -> InnerPath:
    """The card that ferkeras wrote last, or where it writes one."""
    folder = folder_of(folder)
    more = (f"README-new-{number}.md" for number in count(2))
    paths = (folder / name for name in chain([CARD, "README-new.md"], more))
    return next(path for path in paths if not is_edited(path))


def is_edited(card: InnerPath) -> bool:
    """Whether a file is there that is no model card as it was written.

    So is a card of a version that did not sign it yet: nobody can tell.
    """
    if not card.exists():
        return False
    if card.stat().st_size > _LARGEST:
        return True
    text = card.read_bytes(_LARGEST)
    content, mark, _ = text.rpartition(_SIGNATURE)
    return not mark or text != content + _signature(content)


def note_on(card: InnerPath) -> str | None:
    """What to tell of an edited card beside which this one lies; None where there is none."""
    if card.name == CARD:
        return None
    return (
        f"{card.parent / CARD} was edited since ferkeras wrote it, or an earlier version wrote it: "
        f"it is kept, and the new one is {card.name}"
    )


def _signature(content: bytes) -> bytes:
    """The last line of a card, which shows nowhere: the digest of what stands before it."""
    return _SIGNATURE + hashlib.sha256(content).hexdigest().encode() + b" -->\n"
