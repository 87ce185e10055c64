"""The emotions that the field knows, in its order, and the names that other people give them."""

from __future__ import annotations

import unicodedata

from ferkeras.data.presets.fer2013 import EMOTIONS

KNOWN = (*EMOTIONS, "contempt")
"""In the order in which classes stand that are emotions: FER2013's, then the eighth."""

_ALIASES = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "neutrality": "neutral",
    "contemptuous": "contempt",
}

SPELLINGS = (*KNOWN, *_ALIASES)
"""Everything that `known_emotion` understands."""


def composed(name: str) -> str:
    """The name with its accents composed, as some systems write them and others do not (NFC)."""
    return unicodedata.normalize("NFC", name)


def known_emotion(name: str) -> str | None:
    """The field's name of an emotion, whatever its spelling, case and blanks; None for others."""
    wanted = name.strip().lower()
    wanted = _ALIASES.get(wanted, wanted)
    return wanted if wanted in KNOWN else None
