"""Faces of any size and colour made grey or small, for measuring rather than for training."""

from __future__ import annotations

import numpy as np

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)
"""ITU-R 601."""


def grey(images: np.ndarray) -> np.ndarray:
    """Faces without colour: (N, H, W, C) to uint8 (N, H, W)."""
    if images.shape[-1] == 1:
        return images[..., 0]
    return np.rint(images.astype(np.float32) @ _LUMA).astype(np.uint8)


def block_means(values: np.ndarray, side: int) -> np.ndarray:
    """Means over `side` x `side` blocks of as equal a size as the pixels allow.

    Args:
        values: shape (N, H, W), H and W at least `side`.
        side: blocks each way.

    Returns:
        float64, or float32 where the values are: shape (N, side, side).
    """
    kind = np.float32 if values.dtype == np.float32 else np.float64
    rows, columns = (np.arange(side) * length // side for length in values.shape[1:])
    sums = np.add.reduceat(values, rows, axis=1, dtype=kind)
    sums = np.add.reduceat(sums, columns, axis=2, dtype=kind)
    return sums / block_sizes(values.shape[1], values.shape[2], side).astype(kind)


def block_sizes(height: int, width: int, side: int) -> np.ndarray:
    """Pixels of each block of `block_means`: int, shape (side, side)."""
    rows, columns = (np.diff(np.arange(side + 1) * length // side) for length in (height, width))
    return rows[:, None] * columns
