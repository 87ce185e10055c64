"""Pictures of a confusion matrix: the matrix itself, and figures of each class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ferkeras.report.palette import MUTED, legend_below, new_figure, styles_of, tidy

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MOST_WRITTEN = 20
"""Classes whose cells have room for figures."""

_MOST_ROWS = 60
_MOST_NAMED = 120
_LONGEST_NAME = 24
_LARGEST_SIDE = 24.0
"""Inches of a matrix at most."""

_MEASURES = (("precision", "#56B4E9", ""), ("recall", "#0072B2", ""), ("F1", "#BBBBBB", "///"))


def confusion_figure(matrix: np.ndarray, names: Sequence[str], title: str = "") -> Figure:
    """Draw a confusion matrix: percent of the truth and counts in each cell, up to 20 classes.

    Of more classes cells are small and have their colour alone.

    Args:
        matrix: int, shape (K, K), counts by [truth, prediction].
        names: the K classes, in the matrix's order.
        title: before the accuracy, for example the split and the epoch.

    Raises:
        ValueError: the matrix is not square, not K wide, or has a negative count.
    """
    counts = _checked(matrix, names)
    support, predicted = counts.sum(axis=1), counts.sum(axis=0)
    size = len(names)
    if size > MOST_WRITTEN:
        side = min(_LARGEST_SIDE, 0.2 * size + 1)
        figure = new_figure(side + 3.4, side + 2.2)
        axes = figure.add_subplot()
        shown = _draw_cells(axes, counts, None)
        _name_every_few(axes, names)
        axes.set_xlabel("prediction")
        axes.set_ylabel("truth")
    else:
        figure = new_figure(1.02 * size + 2.4, 0.82 * size + 1.7)
        axes = figure.add_subplot()
        shown = _draw_cells(axes, counts, lambda part, count: f"{_percent(part)}\n{count:,}")
        axes.set_xticks(
            range(size), [_counted(n, c) for n, c in zip(names, predicted, strict=True)]
        )
        axes.set_yticks(range(size), [_counted(n, c) for n, c in zip(names, support, strict=True)])
        axes.set_xlabel("prediction (how often given)")
        axes.set_ylabel("truth (faces)")
    right = _accuracy(counts)
    axes.set_title(
        f"{title}: {right}" if title else right[0].upper() + right[1:],
        loc="left",
        fontsize=11,
        fontweight="bold",
        parse_math=False,
    )
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.ax.set_yticklabels(["0%", "25%", "50%", "75%", "100%"], fontsize=8)
    bar.set_label("fraction of the truth", fontsize=9)
    bar.outline.set_visible(False)
    return figure


def confusion_thumbnail(matrix: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw a confusion matrix that can be read 300 pixels wide: percent of the truth alone.

    Of more than 20 classes it has colours alone, without names.

    Args:
        matrix: int, shape (K, K), counts by [truth, prediction].
        names: the K classes, in the matrix's order.

    Raises:
        ValueError: the matrix is not square, not K wide, or has a negative count.
    """
    counts = _checked(matrix, names)
    size = len(names)
    side = 0.32 * min(size, MOST_WRITTEN)
    figure = new_figure(side + 1.3, side + 1.4)
    axes = figure.add_subplot()
    if size > MOST_WRITTEN:
        _draw_cells(axes, counts, None)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"prediction, {size:,} classes in order", fontsize=9)
        axes.set_ylabel("truth", fontsize=9)
    else:
        _draw_cells(axes, counts, lambda part, count: _percent(part).rstrip("%"), 8.5)
        axes.set_xticks(range(size), names, rotation=50, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(size), names)
    axes.set_title(
        f"{_accuracy(counts)}\n% of each truth, by prediction", fontsize=9, parse_math=False
    )
    return figure


def _draw_cells(
    axes: Axes,
    counts: npt.NDArray[np.int64],
    text: Callable[[float, int], str] | None,
    fontsize: float = 9,
) -> AxesImage:
    """Colour the cells by the fraction of the truth; write into each what `text` makes of it."""
    fraction = _ratio(counts, counts.sum(axis=1)[:, None])
    size = len(counts)
    shown = axes.imshow(np.ma.masked_invalid(fraction), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_facecolor("#F2F2F2")
    axes.spines[:].set_visible(False)
    axes.tick_params(which="both", length=0)
    if text is None:
        return shown
    for truth in range(size):
        for prediction in range(size):
            part = fraction[truth, prediction]
            axes.text(
                prediction,
                truth,
                text(part, counts[truth, prediction]),
                ha="center",
                va="center",
                fontsize=fontsize,
                fontweight="bold" if truth == prediction else "normal",
                color="white" if part > 0.5 else "#222222",
            )
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    return shown


def _name_every_few(axes: Axes, names: Sequence[str]) -> None:
    """Name all classes at both axes, or so many as there is room for."""
    places = range(0, len(names), math.ceil(len(names) / _MOST_NAMED))
    shown = [_shortened(names[place]) for place in places]
    axes.set_xticks(places, shown, rotation=90, fontsize=7)
    axes.set_yticks(places, shown, fontsize=7)


def _shortened(name: str) -> str:
    """A name of at most 24 characters; its ends, which tell classes apart, stay."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:12]}...{name[-9:]}"


def _percent(fraction: float) -> str:
    return "-" if np.isnan(fraction) else f"{fraction:.0%}"


def _accuracy(counts: npt.NDArray[np.int64]) -> str:
    total = counts.sum()
    return f"accuracy {np.trace(counts) / total:.1%} of {total:,} faces" if total else "no faces"


def per_class_figure(matrix: np.ndarray, names: Sequence[str], title: str = "") -> Figure:
    """Draw precision, recall and F1 of each class, and how often it is predicted against true.

    More than 20 classes have a line each; of more than 60 those with the lowest F1 are drawn.

    Args:
        matrix: int, shape (K, K), counts by [truth, prediction].
        names: the K classes, in the matrix's order.
        title: before the panels' own titles.

    Raises:
        ValueError: the matrix is not square, not K wide, or has a negative count.
    """
    from matplotlib.patches import Patch

    counts = _checked(matrix, names)
    hits, support, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    measures = {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, support),
        "F1": _ratio(2 * hits, support + predicted),
    }
    if len(names) > MOST_WRITTEN:
        return _class_lines(names, measures, support, predicted, title)
    figure = new_figure(max(7.0, 1.45 * len(names)), 7.4)
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    above, below = figure.subplots(2, 1, height_ratios=(3, 2))
    tidy(above, "Precision, recall and F1")
    for place, (name, color, hatch) in enumerate(_MEASURES):
        bars = _bars(above, measures[name], (place - 1) * 0.27, 0.25)
        for bar in bars:
            bar.set(facecolor=color, hatch=hatch, edgecolor="white", linewidth=0)
        bars[0].set_label(name)
    labels = [_counted(name, count, " faces") for name, count in zip(names, support, strict=True)]
    if any(np.isnan(values).any() for values in measures.values()):
        above.plot([], [], " ", label="- undefined: never predicted, or no such face")
    _class_axis(above, labels, 1.0)
    tidy(below, "How often it is predicted, and how often true")
    truth, prediction = _ratio(support, support.sum()), _ratio(predicted, support.sum())
    for bar in _bars(below, truth, -0.2, 0.36):
        bar.set(facecolor="white", edgecolor=MUTED, hatch="////", linewidth=0.8)
    for bar, (color, _) in zip(_bars(below, prediction, 0.2, 0.36), styles_of(names), strict=True):
        bar.set(facecolor=color)
    keys = [
        Patch(facecolor="white", edgecolor=MUTED, hatch="////", label="truth"),
        Patch(facecolor=MUTED, label="predictions (in the colour of the class)"),
    ]
    top = float(np.nanmax([truth, prediction, np.full_like(truth, 0.1)]))
    _class_axis(below, list(names), top, keys)
    return figure


def _class_lines(
    names: Sequence[str],
    measures: dict[str, npt.NDArray[np.float64]],
    support: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    title: str,
) -> Figure:
    """A line for each of many classes: dots for its figures, and bars for how often it is given."""
    from matplotlib.ticker import PercentFormatter

    index = np.arange(len(names))
    if len(names) > _MOST_ROWS:
        lowest = np.argsort(np.nan_to_num(measures["F1"]), kind="stable")[:_MOST_ROWS]
        index = np.sort(lowest)
        title = f"{title + ': ' if title else ''}{_MOST_ROWS} of {len(names):,}, the lowest F1"
    figure = new_figure(11.0, 0.21 * len(index) + 2.2)
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    rows = np.arange(len(index))
    tidy(left, "Precision, recall and F1")
    for (name, color, _), marker in zip(_MEASURES, ("s", "o", "D"), strict=True):
        shade = color if name != "F1" else MUTED
        left.plot(measures[name][index], rows, marker, color=shade, markersize=4.5, label=name)
    tidy(right, "How often it is true and predicted")
    total = max(1, int(support.sum()))
    right.barh(
        rows - 0.2, support[index] / total, 0.36, facecolor="white", edgecolor=MUTED,
        hatch="////", linewidth=0.8, label="truth",
    )  # fmt: skip
    right.barh(rows + 0.2, predicted[index] / total, 0.36, facecolor=MUTED, label="predictions")
    left.set_yticks(
        rows,
        [f"{_shortened(names[place])} ({support[place]:,})" for place in index.tolist()],
        fontsize=7.5,
    )
    left.set_ylim(len(index) - 0.4, -0.6)
    left.set_xlim(-0.02, 1.02)
    for axes in (left, right):
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, -0.9 / (0.21 * len(index) + 1)), ncols=3,
            fontsize=8.5, frameon=False,
        )  # fmt: skip
    return figure


def _checked(matrix: np.ndarray, names: Sequence[str]) -> npt.NDArray[np.int64]:
    counts = np.asarray(matrix)
    if counts.shape != (len(names), len(names)) or (counts < 0).any():
        raise ValueError(
            f"a confusion matrix of {len(names)} classes needs shape "
            f"({len(names)}, {len(names)}) and counts of 0 or more. Received: shape "
            f"{counts.shape}" + (f", smallest {counts.min()}" if counts.size else "")
        )
    return counts.astype(np.int64)


def _ratio(part: npt.NDArray[np.int64], whole: np.ndarray) -> npt.NDArray[np.float64]:
    """part / whole, NaN where there is nothing to divide by."""
    of = np.broadcast_to(np.asarray(whole, float), part.shape)
    return np.divide(part, of, out=np.full(part.shape, np.nan), where=of > 0)


def _counted(name: str, count: int, unit: str = "") -> str:
    return f"{name}\n{count:,}{unit}"


def _bars(axes: Axes, values: npt.NDArray[np.float64], shift: float, width: float) -> list:
    places = np.arange(len(values)) + shift
    bars = axes.bar(places, np.nan_to_num(values), width, zorder=2)
    for place, value in zip(places, values, strict=True):
        text = "-" if np.isnan(value) else f"{100 * value:.0f}"
        axes.annotate(
            text,
            (place, np.nan_to_num(value)),
            (0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
        )
    return list(bars)


def _class_axis(
    axes: Axes, labels: list[str], top: float, keys: Sequence[Artist] | None = None
) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylim(0, 1.1 * top)
    axes.grid(axis="x", visible=False)
    axes.tick_params(axis="x", length=0, labelsize=10)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    legend_below(axes, 4, keys)
