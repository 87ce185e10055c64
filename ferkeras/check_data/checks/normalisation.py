"""Grey values before and after the network's normalisation, split by split."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferkeras.check_data.finding import Finding, Level
from ferkeras.check_data.material import HELD_OUT, SPLITS, Material
from ferkeras.data.selection import blocks
from ferkeras.data.statistics import pixel_statistics

SMALL_EFFECT = 0.2
"""Shift of the images' mean brightness, in their own standard deviations, that is worth a look
(Cohen 1988: a small effect), if it is more than `SURE` standard errors."""

SURE = 5.0

FAR_MEAN, FAR_RATIO = 1.0, 2.0
"""A held-out split whose standardised mean lies beyond +-1, or whose std is beyond half or
twice that of training, is stored otherwise: no choice of faces does that."""


def check_normalisation(material: Material) -> Finding:
    """Mean and standard deviation of pixel / 255, and of what reaches the first convolution.

    The network divides by 255, subtracts the mean of the training faces and divides by their
    standard deviation; training faces come out with mean 0 and std 1, others nearly so.
    """
    training = material.members("train")
    if not len(training):
        return Finding("normalisation", Level.NOT_ASKED, "there are no training faces")
    mean, std = pixel_statistics(material.faces.take(training))
    numbers: dict[str, Any] = {"training_mean": mean, "training_std": std, "splits": {}}
    parts = [
        (block.mean(axis=(1, 2, 3), dtype=np.float64), block.max(axis=(1, 2, 3)))
        for block in blocks(material.faces.images)
    ]
    means, brightest = (np.concatenate(each) for each in zip(*parts, strict=True))
    brightness = means / 255
    spread = float(brightness[training].std()) or 1.0
    largest = int(brightest[training].max())
    said, level, advice = [], Level.OK, ""
    for split in material.present(SPLITS):
        members = material.members(split)
        split_mean, split_std = pixel_statistics(material.faces.take(members))
        seen_mean = (split_mean - mean) / std
        ratio = split_std / std
        shift = (brightness[members].mean() - brightness[training].mean()) / spread
        error = np.sqrt(1 / len(members) + 1 / len(training))
        numbers["splits"][split] = {
            "mean": split_mean,
            "std": split_std,
            "seen_mean": seen_mean,
            "seen_std": ratio,
            "brightness_shift": shift,
        }
        said.append(
            f"{split} {split_mean:.3f} +- {split_std:.3f}, "
            f"the network sees {seen_mean:+.3f} +- {ratio:.3f}"
        )
        if split not in HELD_OUT:
            continue
        if abs(seen_mean) > FAR_MEAN or not 1 / FAR_RATIO < ratio < FAR_RATIO:
            level = Level.WRONG
            advice = f"{split} is stored otherwise than train (inverted? other range?): fix that"
        elif abs(shift) > max(SMALL_EFFECT, SURE * error) and level is Level.OK:
            level = Level.LOOK
            advice = f"{split} is {'brighter' if shift > 0 else 'darker'} than train: other photos?"
    if largest <= 1:
        level = Level.WRONG
        advice = "no pixel above 1: the values were divided by 255 and rounded; store 0 to 255"
    return Finding("normalisation", level, "; ".join(said), advice, numbers)
