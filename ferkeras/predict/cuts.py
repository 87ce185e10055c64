"""Which part of a picture is a face: the whole of it, what a detector finds, or nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.data.box import Box
from ferkeras.data.pictures import face_of
from ferkeras.data.task import ImageSpec

Source = Literal["crop", "detected", "uncertain"]
"""What a prediction is of: a picture that is one face, cut out already; a face that was found in
a picture; a whole picture that is too large for the first, and in which no face was found."""

_SURELY_A_CROP = 128
"""Longest side of pictures that are taken for a face without a look, in pixels."""
_NEARLY_SQUARE = 1.6
"""Long side by short side, at most, of a picture that is one face."""
_FILLED = 0.6
"""Part of the shorter side that the one face takes up in a picture that was cut out closely."""
_MARGIN = 0.25
"""Of the shorter side: the detector wants to see something around a face."""


class Found(NamedTuple):
    """The faces of a picture, uint8 (H, W, C), each with where it was; None: all of it."""

    source: Source
    faces: Sequence[tuple[Box | None, np.ndarray]]


Cut = Callable[[Image.Image, ImageSpec], Found]
"""Takes the faces, of the size that a network is for, out of a picture."""

Detector = Callable[[Image.Image, ImageSpec], Sequence[tuple[Box | None, np.ndarray]]]


def whole_picture(picture: Image.Image, spec: ImageSpec) -> Found:
    """The `Cut` for pictures that show one face and nothing else."""
    return Found("crop", [(None, face_of(picture, spec))])


def with_detector(detector: Detector) -> Cut:
    """The `Cut` for photographs: whatever the detector finds, which may be nothing."""
    return lambda picture, spec: Found("detected", detector(picture, spec))


def as_it_looks(detector: Detector | None) -> Cut:
    """The `Cut` for pictures of which nobody has said what they are.

    Small, nearly square pictures are faces. In others a detector looks for faces: one that fills
    the picture means that it was cut out already; otherwise what is found is cut out. Where
    nothing is found, or there is no detector, all of the picture is taken, and called uncertain.

    Args:
        detector: None where there is none.
    """

    def cut(picture: Image.Image, spec: ImageSpec) -> Found:
        short, long = sorted(picture.size)
        square = long <= _NEARLY_SQUARE * short
        if square and long <= _SURELY_A_CROP:
            return whole_picture(picture, spec)
        if detector is None:
            return Found("uncertain", whole_picture(picture, spec).faces)
        faces = detector(picture, spec)
        if square and len(faces) <= 1:
            boxes = [box for box, _ in faces or detector(_with_margin(picture), spec)]
            if len(boxes) == 1 and boxes[0] is not None and boxes[0].width >= _FILLED * short:
                return whole_picture(picture, spec)
        if not faces:
            return Found("uncertain", whole_picture(picture, spec).faces)
        return Found("detected", faces)

    return cut


def _with_margin(picture: Image.Image) -> Image.Image:
    """The picture with its edges drawn out on all sides."""
    margin = round(_MARGIN * min(picture.size))
    pixels = np.asarray(picture)
    widths = [(margin, margin)] * 2 + [(0, 0)] * (pixels.ndim - 2)
    return Image.fromarray(np.pad(pixels, widths, mode="edge"))


def chosen_cut(detect: bool | None) -> Cut:
    """Whether faces are looked for in all pictures, in none, or where a picture looks like it.

    Raises:
        InputError: in all, and OpenCV is not installed.
    """
    if detect is False:
        return whole_picture
    if detect is None:
        return as_it_looks(_LateDetector() if has_opencv() else None)
    if not has_opencv():
        raise InputError(
            "--detect needs OpenCV, which is not installed: pip install opencv-python-headless"
        )
    return with_detector(_LateDetector())


def has_opencv() -> bool:
    """Whether OpenCV is installed, on which the detector is built; imports nothing."""
    return find_spec("cv2") is not None


class _LateDetector:
    """The detector, whose import takes a moment that pictures of one face do not need."""

    def __init__(self) -> None:
        self._detector: Detector | None = None

    def __call__(
        self, picture: Image.Image, spec: ImageSpec
    ) -> Sequence[tuple[Box | None, np.ndarray]]:
        if self._detector is None:
            from ferkeras.data.detection import FaceDetector

            self._detector = FaceDetector()
        return self._detector(picture, spec)
