"""Mean and standard deviation of grey values, for the network's normalization layer."""

from __future__ import annotations

import numpy as np

from ferkeras.data.faces import Faces


def pixel_statistics(faces: Faces) -> tuple[float, float]:
    """Mean and standard deviation of pixel / 255, exactly, from the counts of the 256 values."""
    # In pieces: bincount wants its input as int64, eight times the size of the faces.
    pieces = np.array_split(faces.images.reshape(-1), max(1, faces.images.size // (1 << 24)))
    counts = np.sum([np.bincount(piece, minlength=256) for piece in pieces], axis=0)
    values = np.arange(256) / 255
    mean = np.average(values, weights=counts)
    std = np.sqrt(np.average((values - mean) ** 2, weights=counts))
    # Faces of one single grey have no standard deviation to divide by.
    return float(mean), float(std) or 1.0
