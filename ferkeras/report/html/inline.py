"""Faces inside a page: small pictures as data URIs, each with its caption as text."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ferkeras.data.faces import Faces
from ferkeras.metrics.predictions import Predictions
from ferkeras.report.heat import overlaid


@dataclass(frozen=True)
class Tile:
    """A face with what is said under it.

    Attributes:
        source: data URI of the picture.
        caption: first line.
        second: second line, may be empty.
        good: True for a right prediction, False for a wrong one, None where the truth is unknown.
    """

    source: str
    caption: str
    second: str = ""
    good: bool | None = None


def prediction_tiles(
    images: np.ndarray, predictions: Predictions, heat: np.ndarray | None = None
) -> list[Tile]:
    """Faces with their truth, the prediction and its confidence.

    Args:
        images: uint8, shape (N, H, W, C).
        predictions: on these faces.
        heat: Grad-CAM, float 0 to 1, shape (N, H, W), laid over the face.
    """
    names = predictions.classes
    sources = [face_uri(image) for image in images] if heat is None else heat_uris(images, heat)
    return [
        Tile(
            source,
            names[label],
            f"{names[prediction]} {row[prediction]:.0%}",
            bool(label == prediction),
        )
        for source, label, prediction, row in zip(
            sources,
            predictions.labels,
            predictions.predicted,
            predictions.probabilities,
            strict=True,
        )
    ]


def face_uri(image: np.ndarray) -> str:
    """A face, uint8 (H, W, C), as a PNG data URI."""
    return _uri(Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image), "png")


def heat_uris(images: np.ndarray, heat: np.ndarray) -> list[str]:
    """Faces (N, H, W, C) with heat (N, H, W), 0 to 1, laid over them, as JPEG data URIs."""
    return [_uri(Image.fromarray(picture), "jpeg") for picture in overlaid(images, heat)]


def _uri(image: Image.Image, kind: str) -> str:
    stream = io.BytesIO()
    image.save(stream, kind, **({"quality": 82} if kind == "jpeg" else {"optimize": True}))
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


def labelled_tiles(faces: Faces) -> list[Tile]:
    """Faces with nothing but their truth."""
    return [
        Tile(face_uri(image), faces.classes[int(label)])
        for image, label in zip(faces.images, faces.labels, strict=True)
    ]
