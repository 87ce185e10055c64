"""Random numbers of which row i depends on (seed, stream, i) alone, however many are asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
"""float32 throughout; loosely typed because NumPy's types lose it next to Python floats."""

_WORDS_PER_STEP = 4  # Philox makes four 64-bit words for each step of its counter


def raw_rows(seed: int, stream: int, first: int, rows: int, width: int) -> npt.NDArray[np.uint64]:
    """Random 64-bit words, shape (rows, width): rows `first` and on of an endless table.

    Args:
        seed: 0 or more.
        stream: number of the table; tables of one seed are independent of each other.
        first: first row wanted.
        rows: how many rows.
        width: words in a row, a multiple of 4. Part of what identifies the table.

    Raises:
        ValueError: `width` is not a multiple of 4.
    """
    if width % _WORDS_PER_STEP:
        raise ValueError(f"width must be a multiple of {_WORDS_PER_STEP}. Received: width={width}")
    key = np.array([seed, stream], dtype=np.uint64)
    words = np.random.Philox(key=key)
    words.advance(first * width // _WORDS_PER_STEP)
    return words.random_raw(rows * width).reshape(rows, width)


class Draws:
    """Hands out columns of uniform numbers, one after the other, shaped (rows, 1, 1).

    Args:
        words: uint64, shape (rows, columns), as `raw_rows` gives them.
    """

    def __init__(self, words: npt.NDArray[np.uint64]) -> None:
        self._uniform = (words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        self._next = 0

    def unit(self) -> Array:
        """Uniform in [0, 1)."""
        column = self._uniform[:, self._next, None, None]
        self._next += 1
        return column

    def between(self, low: float, high: float) -> Array:
        """Uniform in [low, high)."""
        return low + (high - low) * self.unit()

    def around(self, middle: float, spread: float) -> Array:
        """Bell-shaped, standard deviation `spread`, never further from 0 than 2.45 of them."""
        return middle + spread * np.float32(6.0**0.5) * (self.unit() + self.unit() - 1)

    def chance(self, probability: float) -> npt.NDArray[np.bool_]:
        """True with this probability."""
        return self.unit() < probability
