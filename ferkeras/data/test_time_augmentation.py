"""Test-time augmentation: several views of each face, whose mean probabilities are predicted.

Mirrored, as Krizhevsky et al. 2012, and at three sizes, as Simonyan and
Zisserman 2015. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ferkeras.data.faces import SIZE

TestTimeAugmentation = Literal["none", "flip", "multiscale"]
"""None; mirrored too; from nearer and from farther too, each mirrored too."""

VIEWS: dict[TestTimeAugmentation, int] = {"none": 1, "flip": 2, "multiscale": 6}
"""Views of a face that each takes."""

_PIXELS = 2
"""How much less, from nearer, or more, from farther, is seen on each side; 9 % or 8 % of size."""

_FACES_AT_A_TIME = 1024


def augmented_views(images: np.ndarray, tta: TestTimeAugmentation) -> Iterator[np.ndarray]:
    """The faces as they are, then mirrored, then from nearer, mirrored, from farther, mirrored.

    Interpolated linearly; from farther, pixels from outside repeat the edge.

    Args:
        images: uint8, shape (N, 48, 48, 1).
        tta: which views.

    Yields:
        uint8, shape (N, 48, 48, 1), `VIEWS[tta]` times.
    """
    count = VIEWS[tta]
    sides = (SIZE, SIZE - 2 * _PIXELS, SIZE + 2 * _PIXELS)
    for side in sides[: -(-count // 2)]:
        seen = images if side == SIZE else _seen(images, side)
        yield seen
        if count > 1:
            yield np.ascontiguousarray(seen[:, :, ::-1])


def _seen(images: np.ndarray, side: int) -> np.ndarray:
    """The middle `side` pixels of each side, beyond the edge repeated, in the faces' own size."""
    weights = _interpolation(side)
    parts = [
        weights @ images[start : start + _FACES_AT_A_TIME, :, :, 0].astype(np.float32) @ weights.T
        for start in range(0, len(images), _FACES_AT_A_TIME)
    ]
    if not parts:
        return images
    return np.rint(np.concatenate(parts)).astype(np.uint8)[..., None]


def _interpolation(side: int) -> np.ndarray:
    """Fraction of each pixel of a line (columns) in each pixel of the resized line (rows)."""
    centre = (SIZE - 1) / 2
    places = np.clip(centre + (np.arange(SIZE) - centre) * side / SIZE, 0, SIZE - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(SIZE))).astype(np.float32)
