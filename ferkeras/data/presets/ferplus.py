"""FER+: FER2013's faces, labelled anew by ten people each, with contempt as the eighth emotion.

Source:
    Barsoum et al. 2016, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution".
"""

from __future__ import annotations

from ferkeras.data.presets.preset import Preset, numbered

NAMES = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")

PRESET = Preset("ferplus", "FER+", numbered((*NAMES, None, None)))
