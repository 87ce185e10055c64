"""Test-time augmentation: several views of each face, whose mean probabilities are predicted.

Mirrored, as Krizhevsky et al. 2012, and at three sizes, as Simonyan and
Zisserman 2015. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import numpy as np

from ferkeras.data.selection import Images, Selection

TestTimeAugmentation = Literal["none", "flip", "multiscale"]
"""None; mirrored too; from nearer and from farther too, each mirrored too."""

VIEWS: dict[TestTimeAugmentation, int] = {"none": 1, "flip": 2, "multiscale": 6}
"""Views of a face that each takes."""

AVERAGED: tuple[Literal["flip", "multiscale"], ...] = ("flip", "multiscale")
"""Those that take the mean of several."""

_MARGIN = 1 / 24
"""How much less, from nearer, or more, from farther, is seen on each side, as a fraction of it."""

_FACES_AT_A_TIME = 1024


def augmented_views(images: Images, tta: TestTimeAugmentation) -> Iterator[Images]:
    """The faces as they are, then mirrored, then from nearer, mirrored, from farther, mirrored.

    Interpolated linearly; from farther, pixels from outside repeat the edge.

    Args:
        images: uint8, shape (N, H, W, C).
        tta: which views.

    Yields:
        uint8, shape (N, H, W, C), `VIEWS[tta]` times.
    """
    count = VIEWS[tta]
    for margin in (0.0, -_MARGIN, _MARGIN)[: -(-count // 2)]:
        seen = _changed(images, partial(_seen, margin=margin)) if margin else images
        yield seen
        if count > 1:
            yield _changed(seen, _mirrored)


def _changed(images: Images, change: Callable[[np.ndarray], np.ndarray]) -> Images:
    return images.changed(change) if isinstance(images, Selection) else change(images)


def _mirrored(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images[:, :, ::-1])


def _seen(images: np.ndarray, margin: float) -> np.ndarray:
    """Faces seen with so much more on each side, the edge repeated, in their own size."""
    height, width = images.shape[1:3]
    rows, columns = _interpolation(height, margin), _interpolation(width, margin)
    seen = np.empty_like(images)
    for start in range(0, len(images), _FACES_AT_A_TIME):
        part = slice(start, start + _FACES_AT_A_TIME)
        for channel in range(images.shape[3]):
            pixels = images[part, :, :, channel].astype(np.float32)
            seen[part, :, :, channel] = np.rint(rows @ pixels @ columns.T).astype(np.uint8)
    return seen


def _interpolation(size: int, margin: float) -> np.ndarray:
    """Fraction of each pixel of a line (columns) in each pixel of the resized line (rows)."""
    side = size + 2 * round(margin * size)
    centre = (size - 1) / 2
    places = np.clip(centre + (np.arange(size) - centre) * side / size, 0, size - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size))).astype(np.float32)
