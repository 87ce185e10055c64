"""Heat maps laid over faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ferkeras.report.mosaic import mosaic_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 96
"""Pixels of the longer side of an enlarged face."""

_COVER = 0.65


def overlaid(images: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay heat over faces in grey: the warmer a place, the more of it is covered.

    Args:
        images: uint8, shape (N, height, width, C).
        heat: float, 0 to 1, shape (N, height, width).

    Returns:
        uint8, shape (N, h, w, 3), the longer side 96; where there is no heat, the face in grey, so
        that all colour is heat.
    """
    from matplotlib import colormaps

    warm = np.stack([_enlarged(each.astype(np.float32)) for each in heat])
    strength = np.clip(warm, 0, 1)[..., None]
    colour = 255 * colormaps["inferno"](0.25 + 0.7 * strength[..., 0])[..., :3]
    cover = _COVER * strength
    faces = enlarged(_grey(images)).astype(np.float64)
    return np.round(faces * (1 - cover) + colour * cover).astype(np.uint8)


def _grey(images: np.ndarray) -> np.ndarray:
    """Faces, uint8 (N, height, width, C), as uint8 (N, height, width, 1)."""
    if images.shape[-1] == 1:
        return images
    return np.stack(
        [np.asarray(Image.fromarray(image).convert("L"))[..., None] for image in images]
    )


def enlarged(images: np.ndarray) -> np.ndarray:
    """Faces, uint8 (N, height, width, C), as uint8 (N, h, w, 3), the longer side 96."""
    coloured = images if images.shape[-1] == 3 else images.repeat(3, axis=-1)
    return np.stack([_enlarged(image) for image in coloured])


def grad_cam_figure(
    images: np.ndarray,
    heat: np.ndarray,
    captions: Sequence[str],
    colors: Sequence[str] | None = None,
) -> Figure:
    """Draw each face beside itself with its heat, four pairs a row.

    Args:
        images: uint8, shape (N, height, width, C).
        heat: float, 0 to 1, shape (N, height, width).
        captions: N texts; the first line stands under the face, the rest under its heat.
        colors: of the second lines; black by default.

    Raises:
        ValueError: as `mosaic_figure`.
    """
    pairs = np.stack([enlarged(images), overlaid(images, heat)], axis=1)
    return mosaic_figure(
        pairs.reshape(-1, *pairs.shape[2:]),
        [part for caption in captions for part in caption.partition("\n")[::2]],
        title="Grad-CAM: the warmer, the more a place speaks for the prediction",
        colors=None if colors is None else [c for color in colors for c in ("black", color)],
    )


def _enlarged(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    times = _SIDE / max(height, width)
    size = (max(1, round(times * width)), max(1, round(times * height)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
