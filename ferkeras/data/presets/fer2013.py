"""FER2013: seven emotions, grey faces of 48 pixels.

Source:
    Goodfellow et al. 2013, "Challenges in representation learning: a report on three machine
    learning contests".
"""

from __future__ import annotations

from ferkeras.data.presets.preset import Preset, numbered
from ferkeras.data.task import Classes, ImageSpec, Task

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Names in the order of its class indices: ``EMOTIONS[3] == "happy"``."""

SIZE = 48
"""Height and width of a face in pixels."""

FER2013 = Task(Classes(EMOTIONS), ImageSpec(SIZE, SIZE, 1))

TRAINING_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)
"""Faces of each class in its Training split."""

PRESET = Preset("fer2013", "FER2013", numbered(EMOTIONS))
