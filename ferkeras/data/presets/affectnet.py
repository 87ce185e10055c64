"""AffectNet: faces from the web, eight emotions of which seven are often used; neutral is first.

Source:
    Mollahosseini, Hasani & Mahoor 2017, "AffectNet: a database for facial expression, valence,
    and arousal computing in the wild".
"""

from __future__ import annotations

from ferkeras.data.presets.preset import Preset, numbered

_SEVEN = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry")
_NO_EMOTIONS = (None, None, None)

SEVEN = Preset("affectnet7", "AffectNet (7)", numbered((*_SEVEN, None, *_NO_EMOTIONS)))
EIGHT = Preset("affectnet8", "AffectNet (8)", numbered((*_SEVEN, "contempt", *_NO_EMOTIONS)))

COLUMNS = frozenset({"subdirectory_filepath", "face_x", "face_width", "expression", "valence"})
"""Columns of its tables, in lower case."""
