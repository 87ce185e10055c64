"""Which part of a picture is a face: the whole of it, what a detector finds, or nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from ferkeras.data.box import Box
from ferkeras.data.neighbours import neighbour_correlation
from ferkeras.data.photographs import has_opencv, is_cut_out, is_small_face, need_opencv
from ferkeras.data.pictures import face_of
from ferkeras.data.task import ImageSpec

_ALIKE = 0.3
"""Correlation of neighbouring pixels, at least, in a picture of something: of one in four faces of
FER2013 the lowest is 0.4, noise has 0."""

Source = Literal["crop", "detected", "uncertain"]
"""What a prediction is of: a picture that is one face, cut out already; a face that was found in
a picture; a whole picture that is too large for the first, of one grey, or noise, and in which no
face was found."""


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


def as_it_looks(detector: Detector) -> Cut:
    """The `Cut` for pictures of which nobody has said what they are.

    Small, nearly square pictures are faces, unless they are of one grey, or noise. In others a
    detector looks for faces: one that fills the picture means that it was cut out already;
    otherwise what is found is cut out. Where nothing is found, or there is no OpenCV, all of the
    picture is taken, and called uncertain.
    """

    def cut(picture: Image.Image, spec: ImageSpec) -> Found:
        if is_small_face(picture):
            found = whole_picture(picture, spec)
            return found if _shows_something(picture) else found._replace(source="uncertain")
        if not has_opencv():
            return Found("uncertain", whole_picture(picture, spec).faces)

        def boxes(some: Sequence[tuple[Box | None, np.ndarray]]) -> list[Box]:
            return [box for box, _ in some if box is not None]

        faces = detector(picture, spec)
        if is_cut_out(picture, boxes(faces), lambda other: boxes(detector(other, spec))):
            return whole_picture(picture, spec)
        if not faces:
            return Found("uncertain", whole_picture(picture, spec).faces)
        return Found("detected", faces)

    return cut


def _shows_something(picture: Image.Image) -> bool:
    """Whether a picture is neither of one grey nor noise."""
    grey = np.asarray(picture.convert("L"))[None, ..., None]
    return bool(neighbour_correlation(grey)[0] > _ALIKE)


def chosen_cut(detect: bool | None) -> Cut:
    """Whether faces are looked for in all pictures, in none, or where a picture looks like it.

    Raises:
        InputError: in all, and there is no OpenCV.
    """
    if detect is False:
        return whole_picture
    if detect is None:
        return as_it_looks(_LateDetector())
    need_opencv("--detect")
    return with_detector(_LateDetector())


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
