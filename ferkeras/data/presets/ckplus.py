"""CK+: posed faces of 123 people; seven emotions in ferkeras's names, some sources with neutral.

Source:
    Lucey et al. 2010, "The Extended Cohn-Kanade dataset (CK+)".
"""

from __future__ import annotations

import re

from ferkeras.data.presets.fer2013 import EMOTIONS
from ferkeras.data.presets.preset import Preset, numbered

PRESET = Preset("ckplus", "CK+ with FER2013's numbers", numbered((*EMOTIONS, "contempt")))
"""The class indices of ``ckextended.csv``: those of FER2013, and 7 for contempt."""

PICTURE = re.compile(r"(S\d{3})_\d{3}_\d{8}\.\w+")
"""Names of its pictures; the first part is who is seen."""
