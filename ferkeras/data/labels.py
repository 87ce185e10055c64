"""The names that other people give to the seven emotions of FER2013.

The class indices are those of FER2013 (Goodfellow et al. 2013, "Challenges in representation
learning"). A label is always found by its name, never by its place in an alphabet.
"""

from __future__ import annotations

import difflib

from ferkeras.data.presets.fer2013 import EMOTIONS

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
}


def class_index(name: str) -> int:
    """Return the FER2013 class index (0 to 6) of an emotion name or one of its aliases.

    Case and surrounding blanks do not matter.

    Raises:
        KeyError: the name is none of them; the message names the nearest one.
    """
    wanted = name.strip().lower()
    wanted = _ALIASES.get(wanted, wanted)
    if wanted in EMOTIONS:
        return EMOTIONS.index(wanted)
    near = difflib.get_close_matches(wanted, [*EMOTIONS, *_ALIASES], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise KeyError(f"unknown emotion {name!r}: expected one of {', '.join(EMOTIONS)}{hint}")
