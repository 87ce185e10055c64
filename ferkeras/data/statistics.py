"""Mean and standard deviation of grey values, for the network's normalization layer."""

from __future__ import annotations

import numpy as np

from ferkeras.data import selection
from ferkeras.data.faces import Faces


def pixel_statistics(faces: Faces) -> tuple[float, float]:
    """Mean and standard deviation of pixel / 255, from the counts of the 256 values.

    Exact up to 512 MiB of faces; of more, those of as many, evenly spread over them.
    """
    row = faces.images[:1].nbytes
    if len(faces) * row > selection.LARGE:
        spread = np.linspace(0, len(faces) - 1, selection.LARGE // row)
        faces = faces.take(spread.astype(np.int64))
    # In blocks: bincount wants its input as int64, eight times the size of the faces.
    counts = np.sum(
        [np.bincount(block.reshape(-1), minlength=256) for block in selection.blocks(faces.images)],
        axis=0,
    )
    values = np.arange(256) / 255
    mean = np.average(values, weights=counts)
    std = np.sqrt(np.average((values - mean) ** 2, weights=counts))
    # Faces of one single grey have no standard deviation to divide by.
    return float(mean), float(std) or 1.0
