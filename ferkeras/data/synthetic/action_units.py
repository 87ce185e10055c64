"""Which facial muscles move for which emotion.

Action units are those of FACS (Ekman, Friesen and Hager 2002), their combinations those of
EMFACS (Friesen and Ekman 1983). Real faces seldom show the whole prototype, so each unit has a
probability and a mean intensity.
"""

from __future__ import annotations

import numpy as np

from ferkeras.data.presets.fer2013 import EMOTIONS
from ferkeras.data.synthetic.random_rows import Array, Draws

NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    25: "lips part",
    26: "jaw drop",
    43: "eyes closed",
}
"""The units that can be drawn, by their FACS number."""

PROTOTYPES: dict[str, dict[int, tuple[float, float]]] = {
    "angry": {
        4: (1.0, 0.95),
        5: (0.55, 0.4),
        7: (0.85, 0.8),
        17: (0.4, 0.5),
        23: (0.9, 0.85),
        10: (0.25, 0.4),
        25: (0.25, 0.6),
    },
    "disgust": {
        9: (1.0, 0.95),
        10: (0.85, 0.8),
        15: (0.75, 0.6),
        16: (0.7, 0.7),
        4: (0.3, 0.4),
        7: (0.5, 0.6),
        25: (0.5, 0.5),
    },
    "fear": {
        1: (0.95, 0.8),
        2: (0.8, 0.6),
        4: (0.9, 0.75),
        5: (0.95, 0.95),
        20: (1.0, 1.0),
        25: (0.9, 0.75),
        26: (0.5, 0.3),
    },
    "happy": {6: (0.9, 0.8), 12: (1.0, 0.95), 25: (0.7, 0.7), 26: (0.2, 0.3)},
    "sad": {
        1: (0.95, 0.9),
        4: (0.85, 0.6),
        15: (0.95, 0.85),
        17: (0.5, 0.6),
        43: (0.6, 0.35),
    },
    "surprise": {
        1: (0.95, 0.9),
        2: (0.95, 0.9),
        5: (0.9, 0.8),
        25: (0.9, 0.7),
        26: (0.9, 0.85),
    },
    "neutral": {},
}
"""For each emotion: unit -> (probability that it is seen, mean intensity in 0..1)."""

ActionUnits = dict[int, Array]
"""Intensity of every unit of `NAMES`, each of shape (faces, 1, 1), 0 (rest) to about 1.3."""

COLUMNS = 1 + 4 * len(NAMES)
"""Random columns that `act` uses up."""


def act(labels: np.ndarray, draws: Draws) -> ActionUnits:
    """Let every face express its emotion, each in its own strength, not always completely.

    Args:
        labels: class indices, shape (faces,).
        draws: random columns, `faces` rows.

    Returns:
        The intensities. On top of the emotion's own units one unit in seven moves a little by
        itself, as in speech, habit or a half-suppressed smile.
    """
    strength = draws.between(0.38, 1.15)
    units: ActionUnits = {}
    for unit in NAMES:
        table = [PROTOTYPES[emotion].get(unit, (0.0, 0.0)) for emotion in EMOTIONS]
        probability, mean = np.array(table, np.float32)[labels].T[:, :, None, None]
        shown = draws.unit() < probability
        own = np.where(shown, mean * strength * draws.between(0.7, 1.3), 0.0)
        stray = np.where(draws.chance(0.14), draws.between(0.05, 0.4), 0.0)
        units[unit] = np.maximum(own, stray).astype(np.float32)
    return units
