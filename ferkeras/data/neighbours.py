"""How alike neighbouring pixels are: what tells pictures from noise, without any label."""

from __future__ import annotations

import numpy as np

from ferkeras.data.reduced import grey


def neighbour_correlation(images: np.ndarray) -> np.ndarray:
    """Correlation of pixels with the next one, to the right or below, whichever is lower.

    0 for noise and for pixels in a wrong order; above 0.7 for nearly every picture of a face.

    Args:
        images: uint8, shape (N, H, W, C); looked at in grey.

    Returns:
        float64, shape (N,); NaN for images of one grey value, or of one row or column.

    Source:
        Field 1987, "Relations between the statistics of natural images and the response
        properties of cortical cells": neighbouring pixels of natural images are alike.
    """
    whole = grey(images).astype(np.float32)
    right = _correlation(whole[:, :, 1:], whole[:, :, :-1])
    return np.minimum(right, _correlation(whole[:, 1:], whole[:, :-1]))


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if not a.size:
        return np.full(len(a), np.nan)
    a, b = (each.reshape(len(each), -1).astype(np.float64) for each in (a, b))
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (a, b))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), scale, out=np.full(len(a), np.nan), where=scale > 0)
