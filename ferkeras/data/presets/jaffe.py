"""JAFFE: posed faces of ten Japanese women, whose file names say what they show.

Source:
    Lyons et al. 1998, "Coding facial expressions with Gabor wavelets".
"""

from __future__ import annotations

import re

PICTURE = re.compile(r"([A-Z]{2})\.?-?(AN|DI|FE|HA|NE|SA|SU)\d?\.\d+\.\w+", re.IGNORECASE)
"""Names of its pictures, such as ``KA.AN1.39.tiff``: who, what, which."""

EMOTION_OF = {
    "AN": "angry",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}
