"""RAF-DB: real-world faces, seven basic emotions counted from 1.

Source:
    Li, Deng & Du 2017, "Reliable crowdsourcing and deep locality-preserving learning for
    expression recognition in the wild".
"""

from __future__ import annotations

import re

from ferkeras.data.presets.preset import Preset, numbered

PRESET = Preset(
    "rafdb",
    "RAF-DB",
    numbered(("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), first=1),
)

PICTURE = re.compile(r"(train|test)_\d{4,5}(_aligned)?\.\w+")
"""Names of its pictures, which tell their split."""

ALIGNED = "_aligned"
"""What the pictures of cut-out faces have in their names that the list does not."""
