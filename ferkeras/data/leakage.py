"""Faces that a network was tested on and had already seen in training."""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from ferkeras.data.digests import digests_of_images
from ferkeras.data.selection import Images


def occurs_in(images: Images, others: Images) -> np.ndarray:
    """Whether each image is, pixel for pixel, also among the others; labels do not matter.

    In FER2013, 279 of the 3,589 PublicTest faces are also training faces.

    Args:
        images: uint8, shape (N, H, W, C).
        others: uint8, shape (M, H, W, C).

    Returns:
        bool, shape (N,).
    """
    return are_among(images, set(digests_of_images(others)))


def are_among(images: Images, digests: Set[bytes]) -> np.ndarray:
    """The same of images of which the digests are known.

    Args:
        images: uint8, shape (N, H, W, C).
        digests: of others, as `ferkeras.data.digests.digests_of_images` makes them.

    Returns:
        bool, shape (N,).
    """
    found = digests_of_images(images)
    return np.fromiter((digest in digests for digest in found), bool, len(images))
