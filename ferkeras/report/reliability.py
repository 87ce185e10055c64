"""The reliability diagram: accuracy by confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ferkeras.metrics.calibration import BINS, Reliability
from ferkeras.report.palette import (
    MUTED,
    TRAIN,
    VALIDATION,
    legend_below,
    legend_name,
    new_figure,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEW = 20
_STYLES = ((TRAIN, "o", "-"), (VALIDATION, "s", "--"))


def reliability_figure(curves: Mapping[str, Reliability], title: str = "") -> Figure:
    """Draw one or two reliability curves over each other, and how many predictions each bin holds.

    Args:
        curves: by name; the area of a dot grows with the predictions in its bin. Bins of fewer than
            20 predictions are hollow dots beside the line.
        title: above both panels.

    Raises:
        ValueError: there are no curves, or more than two.
    """
    from matplotlib.ticker import PercentFormatter

    if not 1 <= len(curves) <= len(_STYLES):
        raise ValueError(f"expected one or two curves. Received: {list(curves)}")
    figure = new_figure(6.0, 7.2)
    grid = figure.add_gridspec(2, 1, height_ratios=(3, 1))
    axes, below = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    tidy(axes, f"{title}: confidence and truth" if title else "Confidence and truth")
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.annotate("perfectly calibrated", (0.03, 0.07), color=MUTED, fontsize=8.5, rotation=38)
    edges = np.linspace(0, 1, BINS + 1)
    for (name, curve), (color, marker, style) in zip(curves.items(), _STYLES, strict=False):
        many = curve.counts >= _FEW
        few = (curve.counts > 0) & ~many
        sizes = 14 + 150 * curve.counts[many] / curve.counts.max()
        axes.plot(
            curve.confidence[many],
            curve.accuracy[many],
            style,
            color=color,
            linewidth=1.6,
            marker=marker,
            markersize=4,
            label=f"{legend_name(name)}: calibration error {curve.expected_error:.1%}",
        )
        axes.scatter(curve.confidence[many], curve.accuracy[many], s=sizes, color=color, alpha=0.25)
        axes.plot(
            curve.confidence[few],
            curve.accuracy[few],
            marker,
            color=color,
            markerfacecolor="white",
            markersize=4,
            alpha=0.6,
            label=f"bins of fewer than {_FEW} predictions" if few.any() else None,
        )
        below.stairs(curve.counts, edges, color=color, linestyle=style, linewidth=1.4)
    axes.set_ylabel("accuracy")
    axes.set_ylim(-0.03, 1.03)
    legend_below(axes, columns=1)
    tidy(below, "Predictions in each bin")
    below.set_xlabel("confidence of the prediction")
    for each in (axes, below):
        each.set_xlim(-0.01, 1.01)
        each.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure
