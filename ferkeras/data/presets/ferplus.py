"""FER+: FER2013's faces, labelled anew by ten people each, with contempt as the eighth emotion.

Source:
    Barsoum et al. 2016, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution".
"""

from __future__ import annotations

from ferkeras.data.presets.preset import Preset, numbered

PAGE = "https://github.com/microsoft/FERPlus"
"""Where its makers offer the votes."""

NAMES = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")

VOTED_FOR = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""The same as its table of votes spells them."""

UNKNOWN, NO_FACE = "unknown", "nf"
"""Its columns for votes that are for no emotion, in small letters."""

PRESET = Preset("ferplus", "FER+", numbered((*NAMES, None, None)))
