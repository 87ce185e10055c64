"""Small thumbnails of faces with the lighting removed, for comparing many at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from ferkeras.data.reduced import block_means, block_sizes
from ferkeras.data.selection import Images, blocks

SIDE = 12
"""Height and width of a thumbnail."""

_CHUNK = 4096
_TILE, _TILE_BYTES = 256, 2**24
_DENSE = 0.25
"""Fraction of all pairs of two tiles from which on it is cheaper to compute all."""


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

    A face is read a few times at most, however many pairs it is in: those that have pairs with
    each other are put side by side (Cuthill & McKee 1969), and read in tiles.

    Args:
        images: uint8, shape (N, H, W, C).
        pairs: int, shape (P, 2), indices of the faces.

    Returns:
        float32, shape (P,).
    """
    result = np.empty(len(pairs), np.float32)
    if not len(pairs):
        return result
    faces, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(-1, 2)
    linked = coo_array((np.ones(len(ends), bool), ends.T), shape=(len(faces), len(faces)))
    order = reverse_cuthill_mckee(linked.tocsr())
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    side = max(1, min(_TILE, _TILE_BYTES // images[:1].nbytes))

    @lru_cache(maxsize=2)
    def tile(number: int) -> np.ndarray:
        return standardised(images[faces[order[number * side : (number + 1) * side]]])

    tiles, within = np.divmod(np.sort(place[ends], axis=1), side)
    by_tiles = np.lexsort(tiles.T)
    starts = np.flatnonzero(np.diff(tiles[by_tiles], axis=0, prepend=-1).any(axis=1))
    for some in np.split(by_tiles, starts[1:]):
        one, other = (tile(number) for number in tiles[some[0]])
        if len(some) > _DENSE * len(one) * len(other):
            result[some] = (one @ other.T)[tuple(within[some].T)]
        else:
            result[some] = [one[first] @ other[second] for first, second in within[some]]
    return result
