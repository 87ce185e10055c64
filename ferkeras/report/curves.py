"""The curves of a run: what was measured epoch by epoch, one subject a panel."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferkeras.report.palette import (
    DECADES,
    MUTED,
    THIRD,
    TRAIN,
    VALIDATION,
    legend_below,
    new_figure,
    style_of,
    tidy,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Events = Sequence[tuple[int, str]]

_FEW_EPOCHS = 20
_PANELS_ACROSS = 3


def curves_figure(
    history: pd.DataFrame, events: Events = (), clip_norm: float | None = None
) -> Figure:
    """Draw a history. Panels whose columns are missing or empty are left out.

    Args:
        history: one row an epoch, column `epoch` counted from 1, other columns as the run
            publishes them (`loss`, `val_accuracy`, `gradient_norm`, `recall/happy`, ...).
            NaN is "not measured in this epoch".
        events: (epoch, what happened) pairs, marked in every panel and explained below them.
        clip_norm: the norm gradients are clipped to, drawn with the gradient norm.

    Raises:
        ValueError: the history has no `epoch` column, no row, or nothing that can be drawn.
    """
    if "epoch" not in history or not len(history):
        raise ValueError(
            "curves need a history with a column 'epoch' and at least one row. "
            f"Received: {len(history)} rows, columns {list(history.columns)}"
        )
    panels: list[tuple[Callable[[Axes], None], tuple[str, ...]]] = [
        (lambda axes: _loss(axes, history), ("loss", "val_loss", "val_cross_entropy")),
        (lambda axes: _accuracy(axes, history), ("accuracy", "val_accuracy")),
        (
            lambda axes: _per_emotion(
                axes, history, "recall/", "Recall of each emotion", whole_scale=True
            ),
            _starting(history, "recall/"),
        ),
        (lambda axes: _gradient_norm(axes, history, clip_norm), ("gradient_norm",)),
        (lambda axes: _clipping(axes, history), ("gradient_clipped",)),
        (lambda axes: _layer_norms(axes, history), _starting(history, "gradient_norm/")),
        (lambda axes: _learning_rate(axes, history), ("learning_rate",)),
        (
            lambda axes: _regularisation(axes, history),
            ("conv_dropout", "dense_dropout", "label_smoothing"),
        ),
        (
            lambda axes: _per_emotion(
                axes, history, "predicted/", "Share of validation answers", whole_scale=False
            ),
            _starting(history, "predicted/"),
        ),
    ]
    drawn = [draw for draw, columns in panels if any(_measured(history, key) for key in columns)]
    if not drawn:
        raise ValueError(
            f"the history has no column that curves are drawn of: {list(history.columns)}"
        )
    across = min(_PANELS_ACROSS, len(drawn))
    down = math.ceil(len(drawn) / across)
    figure = new_figure(5.2 * across, 3.9 * down + 0.4)
    last = int(history["epoch"].max())
    first = int(history["epoch"].min())
    marks = _lettered(events)
    for place, draw in enumerate(drawn, start=1):
        axes = figure.add_subplot(down, across, place)
        draw(axes)
        _epoch_axis(axes, first, last)
        _mark_events(axes, marks)
    if marks:
        figure.supxlabel(
            _explained(marks, 52 * across), fontsize=10, color="#333333", parse_math=False
        )
    return figure


def _starting(history: pd.DataFrame, prefix: str) -> tuple[str, ...]:
    return tuple(key for key in history.columns if key.startswith(prefix))


def _measured(history: pd.DataFrame, key: str) -> bool:
    return key in history and bool(np.isfinite(history[key].to_numpy(float)).any())


def _line(
    axes: Axes,
    history: pd.DataFrame,
    key: str,
    label: str,
    color: str | tuple[float, float, float, float],
    *,
    style: str = "-",
    width: float = 1.8,
    marker: str = "o",
    steps: bool = False,
) -> None:
    """Draw a column where it was measured; dots where epochs are few or gaps lie between.

    Dashed and dotted lines have hollow dots, so that a single epoch can be read too.
    """
    if not _measured(history, key):
        return
    values = history[key].to_numpy(float)
    there = np.isfinite(values)
    dots = len(history) <= _FEW_EPOCHS or not there.all()
    axes.plot(
        history["epoch"].to_numpy()[there],
        values[there],
        style,
        color=color,
        linewidth=width,
        label=label,
        drawstyle="steps-mid" if steps else "default",
        marker=marker if dots else None,
        markerfacecolor=color if style == "-" else "white",
        markersize=4 if len(history) > 1 else 7,
    )


def _loss(axes: Axes, history: pd.DataFrame) -> None:
    tidy(axes, "Loss and cross-entropy")
    _line(axes, history, "loss", "training loss (weighted, smoothed)", TRAIN, style="--", width=1.1)
    _line(axes, history, "val_loss", "validation loss", VALIDATION, style="--", width=1.1)
    _line(axes, history, "cross_entropy", "training cross-entropy", TRAIN)
    _line(axes, history, "val_cross_entropy", "validation cross-entropy", VALIDATION)
    axes.set_ylabel("nats")
    legend_below(axes)


def _accuracy(axes: Axes, history: pd.DataFrame) -> None:
    tidy(axes, "Accuracy")
    _line(axes, history, "accuracy", "training, as trained", TRAIN, style=":", width=1.4)
    _line(axes, history, "inference_accuracy", "training faces, in inference mode", TRAIN)
    _line(axes, history, "val_accuracy", "validation", VALIDATION)
    _line(
        axes, history, "val_balanced_accuracy", "validation, balanced", VALIDATION, style=":",
        width=1.4,
    )  # fmt: skip
    if _measured(history, "val_accuracy"):
        values = history["val_accuracy"].to_numpy(float)
        best = int(np.nanargmax(values))
        epoch, value = int(history["epoch"].iloc[best]), values[best]
        label = f"best: {value:.1%} in epoch {epoch}"
        axes.plot([epoch], [value], "*", color="black", markersize=11, label=label)
    _percent(axes)
    legend_below(axes)


def _gradient_norm(axes: Axes, history: pd.DataFrame, clip_norm: float | None) -> None:
    tidy(axes, "Gradient norm before clipping")
    epochs = history["epoch"].to_numpy(float)
    low_key, high_key = "gradient_norm_min", "gradient_norm_max"
    if _measured(history, low_key) and _measured(history, high_key):
        low, high = history[low_key].to_numpy(float), history[high_key].to_numpy(float)
        if len(history) == 1:
            axes.vlines(epochs, low, high, color=TRAIN, alpha=0.3, linewidth=14, label="min to max")
        else:
            axes.fill_between(
                epochs, low, high, color=TRAIN, alpha=0.18, linewidth=0, label="min to max"
            )
    _line(axes, history, "gradient_norm", "mean of the epoch", TRAIN)
    if clip_norm is not None:
        label = f"clipped to {clip_norm:g}"
        axes.axhline(clip_norm, color=VALIDATION, linestyle="--", linewidth=1.2, label=label)
    _log_if_positive(axes)
    legend_below(axes, columns=3)


def _clipping(axes: Axes, history: pd.DataFrame) -> None:
    tidy(axes, "Clipped steps")
    _line(axes, history, "gradient_clipped", "share of steps that were clipped", TRAIN)
    if _measured(history, "gradient_skipped"):
        skipped = history["gradient_skipped"].fillna(0).to_numpy(float)
        if skipped.any():
            axes.plot(
                history["epoch"].to_numpy()[skipped > 0],
                np.zeros(int((skipped > 0).sum())),
                "X",
                color=VALIDATION,
                markersize=8,
                clip_on=False,
                label=f"non-finite gradient: {skipped.sum():.0f} steps skipped in all",
            )
    axes.set_ylim(-0.03, 1.03)
    _percent(axes)
    legend_below(axes, columns=1)


def _layer_norms(axes: Axes, history: pd.DataFrame) -> None:
    from matplotlib import colormaps

    tidy(axes, "Gradient norm of each layer, first to last")
    keys = [key for key in _starting(history, "gradient_norm/") if _measured(history, key)]
    shades = colormaps["viridis"](np.linspace(0, 0.9, len(keys)))
    for shade, key in zip(shades, keys, strict=True):
        _line(axes, history, key, key.partition("/")[2], tuple(shade), width=1.3)
    _log_if_positive(axes)
    legend_below(axes, columns=3 if len(keys) <= 9 else 4)


def _learning_rate(axes: Axes, history: pd.DataFrame) -> None:
    tidy(axes, "Learning rate")
    _line(axes, history, "learning_rate", "learning rate", TRAIN, steps=True)
    _log_if_positive(axes)
    legend_below(axes, columns=1)


def _regularisation(axes: Axes, history: pd.DataFrame) -> None:
    tidy(axes, "Dropout and label smoothing")
    _line(axes, history, "conv_dropout", "conv dropout", TRAIN, marker="o")
    _line(axes, history, "dense_dropout", "dense dropout", VALIDATION, marker="s")
    _line(axes, history, "label_smoothing", "label smoothing", THIRD, style="--", marker="^")
    axes.set_ylim(bottom=-0.02, top=max(0.5, axes.get_ylim()[1]))
    legend_below(axes, columns=3)


def _per_emotion(
    axes: Axes, history: pd.DataFrame, prefix: str, title: str, *, whole_scale: bool
) -> None:
    tidy(axes, title)
    for key in _starting(history, prefix):
        emotion = key.removeprefix(prefix)
        color, marker = style_of(emotion)
        _line(axes, history, key, emotion, color, marker=marker, width=1.5)
    top = 1.0 if whole_scale else max(0.4, axes.get_ylim()[1])
    axes.set_ylim(-0.03 * top, 1.03 * top)
    _percent(axes)
    legend_below(axes, columns=4)


def _percent(axes: Axes) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))


def _log_if_positive(axes: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    values = np.concatenate([line.get_ydata() for line in axes.lines])
    if not (values > 0).all():
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    if high / low > DECADES:
        axes.set_ylim(bottom=values.max() / DECADES)
    if high / low < 10:
        middle = math.sqrt(low * high)
        axes.set_ylim(middle / 10**0.5, middle * 10**0.5)


def _epoch_axis(axes: Axes, first: int, last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    room = 0.5 if last - first < _FEW_EPOCHS else 0.01 * (last - first) + 0.5
    axes.set_xlim(first - room, last + room)
    axes.xaxis.set_major_locator(
        MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10], min_n_ticks=1)
    )
    axes.set_xlabel("epoch", fontsize=9, labelpad=1)


def _lettered(events: Events) -> list[tuple[str, int, str]]:
    names = [*string.ascii_uppercase, *(f"A{letter}" for letter in string.ascii_uppercase)]
    ordered = sorted(events)[: len(names)]
    return [(name, epoch, text) for name, (epoch, text) in zip(names, ordered, strict=False)]


def _explained(marks: list[tuple[str, int, str]], width: int) -> str:
    lines = [""]
    for letter, epoch, text in marks:
        told = f"{letter}  epoch {epoch}: {text}"
        if lines[-1] and len(lines[-1]) + len(told) > width:
            lines.append("")
        lines[-1] += f"{'     ' if lines[-1] else ''}{told}"
    return "\n".join(lines)


def _mark_events(axes: Axes, marks: list[tuple[str, int, str]]) -> None:
    at: dict[int, str] = {}
    for letter, epoch, _ in marks:
        at[epoch] = f"{at[epoch]},{letter}" if epoch in at else letter
    for epoch, letters in at.items():
        axes.axvline(epoch, color=MUTED, linestyle=(0, (1, 2)), linewidth=1.1, zorder=0.5)
        axes.annotate(
            letters,
            (epoch, 1.0),
            (0, 1),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            color=MUTED,
        )
