"""Find faces in photographs with a detector that comes with OpenCV and downloads nothing."""

from __future__ import annotations

import threading

import cv2
import cv2.data
import numpy as np
from PIL import Image

from ferkeras.data.box import Box
from ferkeras.data.photographs import FoundFace
from ferkeras.data.pictures import face_of
from ferkeras.data.task import ImageSpec

_LONG_SIDE = 1280
"""Larger pictures are made smaller before they are searched, in pixels."""

_SMALLEST_SHARE = 1 / 24


class FaceDetector:
    """OpenCV's cascade for frontal faces; may be called from several threads at once.

    It finds frontal faces. It misses faces from the side, tilted by more than
    about 20 degrees, half covered, in deep shadow, or smaller than 1/24 of the picture's short
    side or than 24 pixels (of the picture made smaller, where its long side has more than 1280),
    and now and then takes something else for a face. How often it finds a face depends on
    skin tone, age and glasses too: a face that is missing from the predictions is not a face that
    is missing from the picture.

    Source:
        Viola and Jones 2001, "Rapid object detection using a boosted cascade of simple features";
        cascade by R. Lienhart, `haarcascade_frontalface_default.xml`.
    """

    def __init__(self) -> None:
        self._local = threading.local()
        # The threads that call are as many as there are cores already.
        cv2.setNumThreads(1)

    def __call__(
        self, picture: Image.Image, spec: ImageSpec
    ) -> list[tuple[Box | None, np.ndarray]]:
        """Faces of a picture, from left to right: where, and uint8 (H, W, C)."""
        boxes = sorted(each.box for each in self.find(picture))
        return [(box, face_of(picture.crop(box.corners), spec)) for box in boxes]

    def find(self, picture: Image.Image) -> list[FoundFace]:
        """Where the faces of a picture are, in no order."""
        grey = picture.convert("L")
        scale = min(1.0, _LONG_SIDE / max(grey.size))
        searched = grey
        if scale < 1:
            size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
            searched = grey.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        smallest = max(24, round(min(searched.size) * _SMALLEST_SHARE))
        boxes, agreeing = self._cascade().detectMultiScale2(
            cv2.equalizeHist(np.asarray(searched)),
            scaleFactor=1.1,
            minNeighbors=6,
            minSize=(smallest, smallest),
        )
        return [
            FoundFace(Box(*(round(int(value) / scale) for value in box)), int(score))
            for box, score in zip(boxes, agreeing, strict=True)
        ]

    def _cascade(self) -> cv2.CascadeClassifier:
        if not hasattr(self._local, "cascade"):
            self._local.cascade = cv2.CascadeClassifier(
                cv2.data.haarcascades + "haarcascade_frontalface_default.xml"
            )
        return self._local.cascade
