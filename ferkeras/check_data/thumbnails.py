"""Small thumbnails of faces with the lighting removed, for comparing many at once."""

from __future__ import annotations

import numpy as np

from ferkeras.data.reduced import block_means, block_sizes
from ferkeras.data.selection import Images, blocks

SIDE = 12
"""Height and width of a thumbnail."""

_CHUNK = 4096
_CHUNK_BYTES = 2**24


def thumbnails(images: Images) -> np.ndarray:
    """Standardise faces and project them onto the means of 12 x 12 blocks of pixels.

    A face is first freed of its mean and scaled to length 1, so that the scalar product of two
    is their correlation. The projection is orthonormal: thumbnails are never further apart than
    the faces, whose distance is sqrt(2 (1 - correlation)).

    Args:
        images: uint8, shape (N, H, W, C).

    Returns:
        float32, shape (N, 144). Zeros for an image of one grey value.
    """
    result = np.empty((len(images), SIDE * SIDE), np.float32)
    _, height, width, channels = images.shape
    scale = np.sqrt(block_sizes(height, width, SIDE) / channels)
    first = 0
    for some in blocks(images, _CHUNK):
        over_channels = standardised(some).reshape(some.shape).sum(axis=3)
        means = block_means(over_channels, SIDE) * scale
        result[first : first + len(some)] = means.reshape(len(some), -1)
        first += len(some)
    return result


def standardised(images: np.ndarray) -> np.ndarray:
    """Faces with mean 0 and length 1: uint8 (N, H, W, C) to float32 (N, H * W * C)."""
    unit = images.reshape(len(images), -1).astype(np.float32)
    unit -= unit.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", unit, unit))[:, None]
    return np.divide(unit, length, out=unit, where=length > 1e-3)


def correlations(images: Images, pairs: np.ndarray) -> np.ndarray:
    """Correlation (-1 to 1) of the pixels of pairs of faces.

    Args:
        images: uint8, shape (N, H, W, C).
        pairs: int, shape (P, 2), indices of the faces.

    Returns:
        float32, shape (P,).
    """
    result = np.empty(len(pairs), np.float32)
    chunk = max(1, min(_CHUNK, _CHUNK_BYTES // images[:1].nbytes))
    for first in range(0, len(pairs), chunk):
        some = pairs[first : first + chunk]
        one, other = standardised(images[some[:, 0]]), standardised(images[some[:, 1]])
        result[first : first + chunk] = np.einsum("ij,ij->i", one, other)
    return result
