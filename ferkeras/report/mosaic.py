"""Many small faces in one picture, each with its caption."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferkeras.report.palette import LETTER, letters_of, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCHES = 1.15
_GAP = 0.07
_LINE = 0.15
_POINTS = 8
_LETTERS = (_INCHES + _GAP) / (_POINTS * LETTER)
"""Letters of a caption that have room under a face."""

_LETTER = 0.1
"""Inches of a title's letter, of the wide ones."""


def mosaic_figure(
    images: np.ndarray,
    captions: Sequence[str],
    *,
    columns: int = 8,
    title: str = "",
    colors: Sequence[str] | None = None,
) -> Figure:
    """Lay faces out in rows, a caption under each.

    Args:
        images: uint8, shape (N, height, width), (N, height, width, 1) or, in colour,
            (N, height, width, 3); 0 is black.
        captions: N texts of a few words; a line break starts a second line, and what is wider than
            a face goes on below.
        columns: faces in a row.
        title: above all of them.
        colors: of the N captions, as matplotlib names them; black by default.

    Raises:
        ValueError: there is no image, their type is not uint8, or the numbers of images,
            captions and colours differ.
    """
    count = len(images)
    if not count or images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ValueError(
            "a mosaic needs uint8 images of shape (N, height, width, 1) with N above 0. "
            f"Received: {images.dtype}, shape {images.shape}"
        )
    if len(captions) != count or (colors is not None and len(colors) != count):
        raise ValueError(
            f"a mosaic needs one caption (and colour) for each image. Received: {count} images, "
            f"{len(captions)} captions" + ("" if colors is None else f", {len(colors)} colors")
        )
    if columns < 1:
        raise ValueError(f"columns must be 1 or more. Received: columns={columns}")
    pictures = images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    captions = [_broken(caption) for caption in captions]
    lines = max(text.count("\n") + 1 if text else 0 for text in captions)
    tall = _INCHES * pictures.shape[1] / pictures.shape[2]
    step_x, step_y = _INCHES + _GAP, tall + _GAP + lines * _LINE
    head = 0.38 if title else _GAP
    width = max(columns * step_x + _GAP, len(title) * _LETTER + 2 * _GAP)
    height = rows * step_y + head + _GAP
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    if title:
        figure.text(
            _GAP / width, 1 - 0.12 / height, title, va="top", fontsize=11, fontweight="bold",
            parse_math=False,
        )  # fmt: skip
    # One pair of axes, in inches: making a pair for each face takes longer than drawing them.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for number, (face, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(number, columns)
        left, top = _GAP + column * step_x, head + row * step_y
        axes.imshow(
            face,
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="nearest",
            aspect="auto",
            extent=(left, left + _INCHES, top + tall, top),
        )
        figure.text(
            (left + _INCHES / 2) / width,
            1 - (top + tall + 0.02) / height,
            caption,
            ha="center",
            va="top",
            fontsize=_POINTS,
            color="black" if colors is None else colors[number],
            parse_math=False,
        )
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure


def _broken(caption: str) -> str:
    """The caption, its lines broken where they would reach under the next face."""
    lines = []
    for line in caption.split("\n"):
        fits = letters_of(line) <= _LETTERS
        width = int(_LETTERS * len(line) / max(1.0, letters_of(line)))
        lines.append(line if fits else textwrap.fill(line, max(1, width)))
    return "\n".join(lines)
