"""Pictures of a confusion matrix: the matrix itself, and figures of each class."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ferkeras.report.palette import (
    LETTER,
    MUTED,
    TITLE_LETTER,
    legend_below,
    letters_of,
    new_figure,
    shortened,
    styles_of,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MOST_WRITTEN = 20
"""Classes whose cells have room for figures."""

_MOST_ROWS = 60
_MOST_NAMED = 120
_LARGEST_SIDE = 24.0
"""Inches of a matrix at most."""

_LINE = 0.19
"""Inches of a line of a title."""

_NAME = 10 * LETTER
"""Inches of a letter of a class's name at an axis."""

_USUAL_NAME = 9
"""Letters of a name that has room at the vertical axis anyway."""

_TURNED: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
_RISE = math.sin(math.radians(35))

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
    draw = _confusion_of_many if len(names) > MOST_WRITTEN else _confusion_of_few
    figure, shown = draw(counts, names, title)
    axes = shown.axes
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.ax.set_yticklabels(["0%", "25%", "50%", "75%", "100%"], fontsize=8)
    bar.set_label("fraction of the truth", fontsize=9)
    bar.outline.set_visible(False)
    return figure


def _confusion_of_many(
    counts: npt.NDArray[np.int64], names: Sequence[str], title: str
) -> tuple[Figure, AxesImage]:
    side = min(_LARGEST_SIDE, 0.2 * len(names) + 1)
    head = _head(title, counts, side)
    figure = new_figure(side + 3.4, side + 2.2 + _LINE * head.count("\n"))
    axes = figure.add_subplot()
    shown = _draw_cells(axes, counts, None)
    _name_every_few(axes, names)
    axes.set_xlabel("prediction")
    axes.set_ylabel("truth")
    _entitle(axes, head)
    return figure, shown


def _confusion_of_few(
    counts: npt.NDArray[np.int64], names: Sequence[str], title: str
) -> tuple[Figure, AxesImage]:
    """Wide enough for the title; names that are wider than their cells are turned."""
    support, predicted = counts.sum(axis=1), counts.sum(axis=0)
    size = len(names)
    width = max(1.02 * size, TITLE_LETTER * len(_accuracy(counts)))
    head = _head(title, counts, width)
    turned = _NAME * _longest(names) > width / size
    labels = [_counted(n, c, turned=turned) for n, c in zip(names, predicted, strict=True)]
    deeper = max(0.0, _RISE * _NAME * max(map(letters_of, labels)) - 0.35) if turned else 0.0
    figure = new_figure(
        width + 2.4 + _room_beside(names),
        0.82 * size + 1.7 + _LINE * head.count("\n") + deeper,
    )
    axes = figure.add_subplot()
    shown = _draw_cells(axes, counts, lambda part, count: f"{_percent(part)}\n{count:,}")
    axes.set_xticks(range(size), labels, **(_TURNED if turned else {}))
    axes.set_yticks(range(size), [_counted(n, c) for n, c in zip(names, support, strict=True)])
    axes.set_xlabel("prediction (how often given)")
    axes.set_ylabel("truth (faces)")
    _entitle(axes, head)
    return figure, shown


def _head(title: str, counts: npt.NDArray[np.int64], width: float) -> str:
    """The title and the accuracy: on one line, or below each other where it is too long."""
    accuracy = _accuracy(counts)
    if not title:
        return accuracy[0].upper() + accuracy[1:]
    whole = f"{title}: {accuracy}"
    if TITLE_LETTER * len(whole) <= width:
        return whole
    return f"{textwrap.fill(f'{title}:', int(width / TITLE_LETTER))}\n{accuracy}"


def _entitle(axes: Axes, head: str) -> None:
    axes.set_title(head, loc="left", fontsize=11, fontweight="bold", parse_math=False)


def _longest(names: Sequence[str]) -> float:
    """Letters of the longest name, as it is shown."""
    return max(letters_of(shortened(name)) for name in names)


def _room_beside(names: Sequence[str]) -> float:
    """Inches that names at the vertical axis need more than usual ones."""
    return _NAME * max(0, _longest(names) - _USUAL_NAME)


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
    head = f"{_accuracy(counts)}\n% of each truth, by prediction"
    width = max(side, 9 * LETTER * max(map(len, head.split("\n"))))
    more = 0.0 if size > MOST_WRITTEN else _room_beside(names)
    figure = new_figure(width + 1.3 + more, side + 1.4 + more)
    axes = figure.add_subplot()
    if size > MOST_WRITTEN:
        _draw_cells(axes, counts, None)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"prediction, {size:,} classes in order", fontsize=9)
        axes.set_ylabel("truth", fontsize=9)
    else:
        _draw_cells(axes, counts, lambda part, count: _percent(part).rstrip("%"), 8.5)
        named = [shortened(name) for name in names]
        axes.set_xticks(range(size), named, rotation=50, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(size), named)
    axes.set_title(head, fontsize=9, parse_math=False)
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
    shown = [shortened(names[place]) for place in places]
    axes.set_xticks(places, shown, rotation=90, fontsize=7)
    axes.set_yticks(places, shown, fontsize=7)


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
    width = max(7.0, 1.45 * len(names))
    turned = _NAME * _longest(names) > 0.93 * width / len(names)
    labels = [_counted(n, c, " faces", turned=turned) for n, c in zip(names, support, strict=True)]
    named = [shortened(name) for name in names]
    drops = [_drop(each) if turned else None for each in (labels, named)]
    figure = new_figure(width, 7.4 + sum(max(0.0, drop - 0.5) for drop in drops if drop))
    if title:
        head = textwrap.fill(title, int(width / TITLE_LETTER) - 6)
        figure.suptitle(head, x=0.02, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    above, below = figure.subplots(2, 1, height_ratios=(3, 2))
    tidy(above, "Precision, recall and F1")
    for place, (name, color, hatch) in enumerate(_MEASURES):
        bars = _bars(above, measures[name], (place - 1) * 0.27, 0.25)
        for bar in bars:
            bar.set(facecolor=color, hatch=hatch, edgecolor="white", linewidth=0)
        bars[0].set_label(name)
    if any(np.isnan(values).any() for values in measures.values()):
        above.plot([], [], " ", label="- undefined: never predicted, or no such face")
    _class_axis(above, labels, 1.0, drops[0])
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
    _class_axis(below, named, top, drops[1], keys)
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
        [_counted(names[place], support[place], turned=True) for place in index.tolist()],
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


def _counted(name: str, count: int, unit: str = "", *, turned: bool = False) -> str:
    """A name with its number below it, or beside it where it is turned."""
    name = shortened(name)
    return f"{name} ({count:,}{unit})" if turned else f"{name}\n{count:,}{unit}"


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


def _drop(labels: Sequence[str]) -> float:
    """Inches from the axes to a legend that stands under turned labels."""
    return _RISE * _NAME * max(map(letters_of, labels)) + 0.3


def _class_axis(
    axes: Axes,
    labels: list[str],
    top: float,
    drop: float | None,
    keys: Sequence[Artist] | None = None,
) -> None:
    """Name the classes below, turned where a legend so far below says so."""
    from matplotlib.ticker import PercentFormatter

    axes.set_xticks(range(len(labels)), labels, **({} if drop is None else _TURNED))
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylim(0, 1.1 * top)
    axes.grid(axis="x", visible=False)
    axes.tick_params(axis="x", length=0, labelsize=10)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    legend_below(axes, 4, keys, drop)
