"""KDEF: posed faces of seventy people from five angles, whose file names say what they show.

Source:
    Lundqvist, Flykt & Ohman 1998, "The Karolinska Directed Emotional Faces".
"""

from __future__ import annotations

import re

PICTURE = re.compile(r"[AB]([FM]\d{2})(AF|AN|DI|HA|NE|SA|SU)(FL|FR|HL|HR|S)\.\w+", re.IGNORECASE)
"""Names of its pictures, such as ``AF01ANS.JPG``: session, who, what, angle."""

EMOTION_OF = {
    "AF": "fear",
    "AN": "angry",
    "DI": "disgust",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}
