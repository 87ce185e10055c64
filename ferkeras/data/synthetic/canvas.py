"""What faces are drawn on: posed images, patches of them, and soft-edged shapes.

Face coordinates: one unit is half the width of a head; u to the right and v down as seen, the
origin between eyes and nose root. A shape is a signed distance (negative inside), turned into
coverage by a smoothstep one and a half pixels wide, which is all the anti-aliasing needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ferkeras.data.presets.fer2013 import SIZE
from ferkeras.data.synthetic.random_rows import Array

_EDGE = 1.5
_DEPTH = 0.85
_FAR = 8.0


@dataclass(frozen=True)
class Pose:
    """How heads are held and framed; arrays of shape (faces, 1, 1).

    Lengths in pixels, angles in radians. Positive yaw turns to the viewer's right, positive
    pitch down.
    """

    x: Array
    y: Array
    scale: Array
    roll: Array
    yaw: Array
    pitch: Array

    def project(self, x: Array, y: Array, out: float = 0.0) -> tuple[Array, Array, Array]:
        """Where a point of the unturned face appears: u, v, and how much it narrows in u.

        The head is taken for an ellipsoid; `out` lifts the point off it (a nose tip).
        """
        flat = np.clip(1 - (x / 1.15) ** 2 - (y / 1.7) ** 2, 0.15, 1.0)
        depth = _DEPTH * np.sqrt(flat) + out
        slope = -_DEPTH * x / (1.15**2 * np.sqrt(flat))
        u = x * np.cos(self.yaw) + depth * np.sin(self.yaw)
        v = y * np.cos(self.pitch) + depth * np.sin(self.pitch)
        return u, v, np.clip(np.cos(self.yaw) + slope * np.sin(self.yaw), 0.6, 1.2)


@dataclass
class Patch:
    """A rectangle of every image, in the coordinates of the feature that is drawn in it.

    Attributes:
        u: right of the feature's centre, in face units, shape (faces, height, width).
        v: below it, likewise.
        shade: luminance, 0 to 1, changed in place by `paint` and `darken`.
        light: how strongly the place is lit, around 1.
        pixel: width of a pixel in face units, shape (faces, 1, 1).
    """

    u: Array
    v: Array
    shade: Array
    light: Array
    pixel: Array

    def cover(self, distance: Array) -> Array:
        """Fraction of each pixel inside a shape of this signed distance."""
        t = distance * (-1 / (_EDGE * self.pixel))
        t += 0.5
        np.clip(t, 0, 1, out=t)
        smooth = t * -2
        smooth += 3
        smooth *= t
        smooth *= t
        return smooth

    def some(self, pick: npt.NDArray[np.intp]) -> Patch:
        """The same patch of some of the faces; painting on it leaves this one as it is."""
        return Patch(
            self.u[pick], self.v[pick], self.shade[pick], self.light[pick], self.pixel[pick]
        )

    def paint(self, mask: Array, shade: Array | float) -> None:
        """Lay an opaque shade over the masked pixels."""
        change = shade - self.shade
        change *= mask
        self.shade += change

    def darken(self, mask: Array, strength: Array | float) -> None:
        """Take away this fraction of the light under the mask; negative strength brightens."""
        self.shade *= 1 - mask * strength


class Canvas:
    """Images of shape (faces, 48, 48) that are drawn on patch by patch.

    Args:
        pose: how each face is held.
    """

    def __init__(self, pose: Pose) -> None:
        self.pose = pose
        self.faces = len(pose.x)
        self.shade: Array = np.zeros((self.faces, SIZE, SIZE), np.float32)
        self.light: Array = np.ones((self.faces, SIZE, SIZE), np.float32)
        self._first = np.arange(self.faces)[:, None, None] * SIZE * SIZE

    def whole(self) -> Patch:
        """All pixels, in face coordinates; painting on it paints the canvas itself."""
        row = np.arange(SIZE, dtype=np.float32)
        u, v = self._to_face(row[None, None, :], row[None, :, None])
        return Patch(u, v, self.shade, self.light, 1 / self.pose.scale)

    @contextmanager
    def patch(
        self, x: Array, y: Array, height: int, width: int, out: float = 0.0
    ) -> Iterator[Patch]:
        """Open the pixels around a feature of the unturned face; written back when closed.

        Args:
            x: the feature's centre on the unturned face, shape (faces, 1, 1).
            y: likewise.
            height: pixels to open.
            width: likewise.
            out: how far the feature stands off the face.
        """
        pose = self.pose
        u, v, narrow = pose.project(x, y, out)
        cos, sin = np.cos(pose.roll), np.sin(pose.roll)
        middle_x = pose.x + pose.scale * (u * cos - v * sin)
        middle_y = pose.y + pose.scale * (u * sin + v * cos)
        left = np.clip(np.rint(middle_x - width / 2), 0, SIZE - width).astype(np.intp)
        top = np.clip(np.rint(middle_y - height / 2), 0, SIZE - height).astype(np.intp)
        columns = left + np.arange(width)[None, None, :]
        rows = top + np.arange(height)[None, :, None]
        index = self._first + rows * SIZE + columns
        at_u, at_v = self._to_face(columns.astype(np.float32), rows.astype(np.float32))
        opened = Patch(
            (at_u - u) / narrow,
            at_v - v,
            self.shade.reshape(-1)[index],
            self.light.reshape(-1)[index],
            1 / pose.scale,
        )
        yield opened
        self.shade.reshape(-1)[index] = opened.shade

    def _to_face(self, column: Array, row: Array) -> tuple[Array, Array]:
        pose = self.pose
        cos, sin = np.cos(pose.roll) / pose.scale, np.sin(pose.roll) / pose.scale
        dx, dy = column - pose.x, row - pose.y
        return cos * dx + sin * dy, cos * dy - sin * dx


def ellipse(u: Array, v: Array, half_width: Array | float, half_height: Array | float) -> Array:
    """Signed distance (close to the edge) of an ellipse around the origin."""
    ratio = u * (1 / half_width)
    ratio *= ratio
    down = v * (1 / half_height)
    down *= down
    ratio += down
    np.sqrt(ratio, out=ratio)
    ratio -= 1
    ratio *= np.minimum(half_width, half_height)
    return ratio


def stroke(
    along: Array,
    off: Array,
    start: Array | float,
    end: Array | float,
    thickness: Array | float,
) -> Array:
    """Signed distance of a line that tapers towards both ends.

    Args:
        along: coordinate in the direction of the line.
        off: distance from its curve, across it.
        start: where it begins on `along`.
        end: where it ends, greater than `start`.
        thickness: in the middle.
    """
    t = along - 0.5 * (start + end)
    t *= 2 / (end - start)
    inside = 1 - t * t
    half = np.sqrt(np.maximum(inside, 0))
    half *= 0.5 * thickness
    distance = np.abs(off)
    distance -= half
    distance -= _FAR * np.minimum(inside, 0)
    return distance


def glow(u: Array, v: Array, half_width: Array | float, half_height: Array | float) -> Array:
    """A soft round spot: 1 in the middle, 0 from the ellipse outwards."""
    fall = np.maximum(1 - (u / half_width) ** 2 - (v / half_height) ** 2, 0)
    return fall * fall
