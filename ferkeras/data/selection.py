"""Images too many to be copied: chosen from one array, and read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

LARGE = 2**29
"""Bytes of images from which they are neither copied nor held in memory as a whole."""

_BLOCK = 2**24


class Selection:
    """Images of an array in an order of their own, read from it (and from the disk) when needed.

    It answers as an array of NumPy does to `shape`, `dtype`, `len` and to being indexed along its
    first axis; what comes back is an array, so ask for a part. `np.asarray` copies all of them.

    Args:
        images: uint8, shape (M, H, W, C); usually mapped from a file.
        index: int64, shape (N,): which of them, in order.
        change: made to images (n, H, W, C) when they have been read.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        images: np.ndarray,
        index: np.ndarray,
        change: Callable[[np.ndarray], np.ndarray] = lambda images: images,
    ) -> None:
        self._images = images
        self._index = index
        self._change = change

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, height, width, channels."""
        _, height, width, channels = self._images.shape
        return len(self._index), height, width, channels

    @property
    def size(self) -> int:
        """Values in all of them together."""
        return len(self._index) * self._images[0].size

    @property
    def nbytes(self) -> int:
        """Bytes of all of them together."""
        return self.size

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, key: Any) -> np.ndarray:
        which = self._index[key]
        # `take` copies rows as wholes, and leaves Python's lock meanwhile.
        taken = self._change(self._images.take(np.atleast_1d(which), axis=0))
        return taken if which.ndim else taken[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[place] for place in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def select(self, index: np.ndarray) -> Images:
        """As the function `select` does with an array."""
        which = self._index[index]
        if len(which) * self._images[0].nbytes <= LARGE:
            return self[index]
        return Selection(self._images, which, self._change)

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> Selection:
        """The same images, with a change that keeps their shape made when they are read."""
        return Selection(self._images, self._index, lambda images: change(self._change(images)))


Images = np.ndarray | Selection
"""uint8, shape (N, H, W, C)."""


def select(images: Images, index: np.ndarray) -> Images:
    """Those at `index` (int or bool), in that order: a copy of few, a `Selection` of many."""
    if isinstance(images, Selection):
        return images.select(index)
    index = np.arange(len(images))[index]
    if len(index) * images[:1].nbytes <= LARGE:
        return images[index]
    return Selection(images, index)


def blocks(images: Images, most: int | None = None) -> Iterator[np.ndarray]:
    """All images, a few MiB at a time.

    Args:
        images: to be gone through.
        most: images of a block at most; None for as many as 16 MiB hold.
    """
    rows = max(1, _BLOCK // max(1, images[:1].nbytes))
    rows = rows if most is None else min(rows, most)
    for first in range(0, len(images), rows):
        yield images[first : first + rows]
