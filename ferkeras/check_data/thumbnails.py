"""Small thumbnails of faces with the lighting removed, for comparing many at once."""

from __future__ import annotations

import numpy as np

from ferkeras.data.faces import SIZE

SIDE = 12
"""Height and width of a thumbnail."""

_BLOCK = SIZE // SIDE
_CHUNK = 4096


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Standardise faces and project them onto the means of blocks of 4 x 4 pixels.

    A face is first freed of its mean and scaled to length 1, so that the scalar product of two
    is their correlation. The projection is orthonormal: thumbnails are never further apart than
    the faces, whose distance is sqrt(2 (1 - correlation)).

    Args:
        images: uint8, shape (N, 48, 48, 1).

    Returns:
        float32, shape (N, 144). Zeros for an image of one grey value.
    """
    result = np.empty((len(images), SIDE * SIDE), np.float32)
    for first in range(0, len(images), _CHUNK):
        unit = standardised(images[first : first + _CHUNK])
        blocks = unit.reshape(-1, SIDE, _BLOCK, SIDE, _BLOCK).sum(axis=(2, 4))
        result[first : first + _CHUNK] = blocks.reshape(len(unit), -1) / _BLOCK
    return result


def standardised(images: np.ndarray) -> np.ndarray:
    """Faces with mean 0 and length 1: uint8 (N, 48, 48, 1) to float32 (N, 2304)."""
    unit = images.reshape(len(images), SIZE * SIZE).astype(np.float32)
    unit -= unit.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", unit, unit))[:, None]
    return np.divide(unit, length, out=unit, where=length > 1e-3)


def correlations(images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Correlation (-1 to 1) of the pixels of pairs of faces.

    Args:
        images: uint8, shape (N, 48, 48, 1).
        pairs: int, shape (P, 2), indices of the faces.

    Returns:
        float32, shape (P,).
    """
    result = np.empty(len(pairs), np.float32)
    for first in range(0, len(pairs), _CHUNK):
        some = pairs[first : first + _CHUNK]
        one, other = standardised(images[some[:, 0]]), standardised(images[some[:, 1]])
        result[first : first + _CHUNK] = np.einsum("ij,ij->i", one, other)
    return result
