"""Where a face is in a picture."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """Where a face is, in pixels of the upright picture: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return self.x, self.y, self.x + self.width, self.y + self.height
