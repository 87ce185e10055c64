"""The pictures of a run, written as PNG files.

Each `draw_...` function writes one file, whole or not at all; each `..._figure` function gives
the figure itself, which `as_array` renders, for TensorBoard or a notebook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferkeras.files.inner import AnyPath
from ferkeras.report.curves import curves_figure
from ferkeras.report.heat import grad_cam_figure
from ferkeras.report.matrix import confusion_figure, confusion_thumbnail, per_class_figure
from ferkeras.report.mosaic import mosaic_figure
from ferkeras.report.palette import as_array, save
from ferkeras.report.reliability import reliability_figure

if TYPE_CHECKING:
    import pandas as pd

    from ferkeras.metrics.calibration import Reliability

__all__ = [
    "as_array",
    "confusion_figure",
    "confusion_thumbnail",
    "curves_figure",
    "draw_confusion_matrix",
    "draw_curves",
    "draw_grad_cam",
    "draw_mosaic",
    "draw_per_class",
    "draw_reliability",
    "grad_cam_figure",
    "mosaic_figure",
    "per_class_figure",
    "reliability_figure",
]


def draw_curves(
    history: pd.DataFrame,
    path: AnyPath,
    events: Sequence[tuple[int, str]] = (),
    clip_norm: float | None = None,
) -> None:
    """Write the curves of a run; see `curves_figure`."""
    save(curves_figure(history, events, clip_norm), path)


def draw_confusion_matrix(
    matrix: np.ndarray, names: Sequence[str], path: AnyPath, title: str = ""
) -> None:
    """Write a confusion matrix, [truth, prediction]; see `confusion_figure`."""
    save(confusion_figure(matrix, names, title), path)


def draw_per_class(
    matrix: np.ndarray, names: Sequence[str], path: AnyPath, title: str = ""
) -> None:
    """Write precision, recall, F1 and predictions by class; see `per_class_figure`."""
    save(per_class_figure(matrix, names, title), path)


def draw_mosaic(
    images: np.ndarray,
    captions: Sequence[str],
    path: AnyPath,
    *,
    columns: int = 8,
    title: str = "",
    colors: Sequence[str] | None = None,
) -> None:
    """Write captioned faces; see `mosaic_figure`."""
    save(mosaic_figure(images, captions, columns=columns, title=title, colors=colors), path)


def draw_reliability(curves: Mapping[str, Reliability], path: AnyPath, title: str = "") -> None:
    """Write one or two reliability curves; see `reliability_figure`."""
    save(reliability_figure(curves, title), path)


def draw_grad_cam(
    images: np.ndarray,
    heat: np.ndarray,
    captions: Sequence[str],
    path: AnyPath,
    colors: Sequence[str] | None = None,
) -> None:
    """Write faces beside themselves with their heat; see `grad_cam_figure`."""
    save(grad_cam_figure(images, heat, captions, colors), path)
