"""The curves of runs, epoch by epoch: as one picture, or each panel by itself for a page."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferkeras.report.columns import column_of
from ferkeras.report.palette import (
    DECADES,
    MUTED,
    RUN_STYLES,
    TRAIN,
    VALIDATION,
    legend_below,
    legend_name,
    new_figure,
    shortened,
    styles_of,
    tidy,
)
from ferkeras.report.panels import COMPARED, PANELS, Line, Panel, is_measured, keys_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Events = Sequence[tuple[int, str]]

_MOST_LINES = 12
"""Lines of a panel that can be told apart."""

_FEW_EPOCHS = 20
_PANELS_ACROSS = 3
_PANEL = (5.2, 3.9)
"""Width and height of a panel, inches."""


def curves_figure(
    history: pd.DataFrame, events: Events = (), clip_norm: float | None = None
) -> Figure:
    """Draw all panels of a history. Those whose columns are missing or empty are left out.

    Args:
        history: one row an epoch, column `epoch` counted from 1, other columns as
            `ferkeras.report.columns` lists them. NaN is "not measured in this epoch".
        events: (epoch, what happened) pairs, marked in every panel and explained below them.
        clip_norm: the norm gradients are clipped to, drawn with the gradient norm.

    Raises:
        ValueError: the history has no `epoch` column, no row, or nothing that can be drawn.
    """
    panels = _drawable(history)
    if not panels:
        raise ValueError(
            f"the history has no column that curves are drawn of: {list(history.columns)}"
        )
    across = min(_PANELS_ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    figure = new_figure(_PANEL[0] * across, _PANEL[1] * down + 0.4)
    marks = _lettered(events)
    for place, panel in enumerate(panels, start=1):
        _draw(figure.add_subplot(down, across, place), panel, history, marks, clip_norm)
    if marks:
        figure.supxlabel(
            _explained(marks, 52 * across), fontsize=10, color="#333333", parse_math=False
        )
    return figure


def panel_figures(
    history: pd.DataFrame, events: Events = (), clip_norm: float | None = None
) -> dict[str, Figure]:
    """Each panel of `curves_figure` as a figure of its own, by title, events lettered alike.

    Raises:
        ValueError: the history has no `epoch` column or no row.
    """
    figures = {}
    for panel in _drawable(history):
        figures[panel.title] = figure = new_figure(*_PANEL)
        _draw(figure.add_subplot(), panel, history, _lettered(events), clip_norm)
    return figures


def compared_figures(histories: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Columns of several runs over each other, a line a run, by title of the figure."""
    figures = {}
    for key, title in COMPARED.items():
        shown = {name: each for name, each in histories.items() if is_measured(each, key)}
        if not shown:
            continue
        figures[title] = figure = new_figure(*_PANEL)
        axes = figure.add_subplot()
        tidy(axes, title)
        for at, name in enumerate(histories):
            if name in shown:
                color, style = RUN_STYLES[at % len(RUN_STYLES)]
                _line(axes, shown[name], key, legend_name(name), color, style=style)
        column = column_of(key)
        if column is not None and column.percent:
            _percent(axes)
        if key in ("gradient_norm", "learning_rate"):
            _log_if_positive(axes)
        epochs = np.concatenate([each["epoch"].to_numpy() for each in shown.values()])
        _epoch_axis(axes, int(epochs.min()), int(epochs.max()))
        legend_below(axes)
    return figures


def letters(count: int) -> list[str]:
    """A, B, C ... for this many events, at most 52."""
    names = [*string.ascii_uppercase, *(f"A{letter}" for letter in string.ascii_uppercase)]
    return names[:count]


def _drawable(history: pd.DataFrame) -> list[Panel]:
    if "epoch" not in history or not len(history):
        raise ValueError(
            "curves need a history with a column 'epoch' and at least one row. "
            f"Received: {len(history)} rows, columns {list(history.columns)}"
        )
    return [panel for panel in PANELS if panel.in_pictures and panel.is_measured(history)]


def _draw(
    axes: Axes,
    panel: Panel,
    history: pd.DataFrame,
    marks: list[tuple[str, int, str]],
    clip_norm: float | None,
) -> None:
    tidy(axes, panel.title)
    for line in panel.lines:
        _draw_line(axes, line, history, steps=panel.steps)
    if panel.best is not None and is_measured(history, panel.best):
        _mark_best(axes, history, panel.best)
    if panel.clipping and clip_norm is not None:
        label = f"clipped to {clip_norm:g}"
        axes.axhline(clip_norm, color=VALIDATION, linestyle="--", linewidth=1.2, label=label)
    if panel.skipped is not None and is_measured(history, panel.skipped):
        _mark_skipped(axes, history, panel.skipped)
    if panel.least_range is not None:
        low, high = axes.get_ylim()
        low, high = min(low, panel.least_range[0]), max(high, panel.least_range[1])
        room = 0.03 * (high - low)
        axes.set_ylim(low - room, high + room)
    if panel.unit == "%":
        _percent(axes)
    else:
        axes.set_ylabel(panel.unit)
    if panel.log:
        _log_if_positive(axes)
    _epoch_axis(axes, int(history["epoch"].min()), int(history["epoch"].max()))
    _mark_events(axes, marks)
    legend_below(axes, columns=panel.legend_columns)


def _draw_line(axes: Axes, line: Line, history: pd.DataFrame, *, steps: bool) -> None:
    if line.band is not None and all(is_measured(history, key) for key in line.band):
        low, high = (history[key].to_numpy(float) for key in line.band)
        epochs = history["epoch"].to_numpy(float)
        if len(history) == 1:
            axes.vlines(epochs, low, high, color=TRAIN, alpha=0.3, linewidth=14, label="min to max")
        else:
            axes.fill_between(
                epochs, low, high, color=TRAIN, alpha=0.18, linewidth=0, label="min to max"
            )
    if not line.key.endswith("/"):
        column = column_of(line.key)
        _line(
            axes,
            history,
            line.key,
            line.key if column is None else column.name,
            line.color or MUTED,
            style=line.style,
            width=line.width,
            marker=line.marker,
            steps=steps,
        )
        return
    keys = list(keys_of(history, line.key))
    names = [key.removeprefix(line.key) for key in keys]
    of_layers = line.key == "gradient_norm/"
    if len(keys) > _MOST_LINES and not of_layers:
        _draw_spread(axes, history, keys)
        return
    looks = _shades(len(keys)) if of_layers else styles_of(names)
    # Of many layers some are named: their colours say where the others are.
    named = set(np.linspace(0, len(keys) - 1, min(len(keys), _MOST_LINES)).round().astype(int))
    for place, (key, name, (color, marker)) in enumerate(zip(keys, names, looks, strict=True)):
        label = legend_name(shortened(name)) if place in named else f"_{name}"
        _line(axes, history, key, label, color, width=line.width, marker=marker)


def _draw_spread(axes: Axes, history: pd.DataFrame, keys: Sequence[str]) -> None:
    """Of so many classes that lines could not be told apart: their median and how they spread."""
    values = history[list(keys)].to_numpy(float)
    there = np.isfinite(values).any(axis=1)
    if not there.any():
        return
    low, lower, median, upper, high = np.nanpercentile(values[there], (0, 25, 50, 75, 100), axis=1)
    epochs = history["epoch"].to_numpy()[there]
    axes.fill_between(
        epochs, low, high, color=TRAIN, alpha=0.12, linewidth=0, label="lowest to highest"
    )
    axes.fill_between(
        epochs, lower, upper, color=TRAIN, alpha=0.25, linewidth=0, label="middle half"
    )
    axes.plot(
        epochs, median, "o-", color=TRAIN, markersize=4, label=f"median of {len(keys):,} classes"
    )


def _shades(count: int) -> list[tuple[str, str]]:
    """Colours from dark to light for what has an order, such as layers."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [(to_hex(shade), "o") for shade in colormaps["plasma"](np.linspace(0.25, 0.85, count))]


def _line(
    axes: Axes,
    history: pd.DataFrame,
    key: str,
    label: str,
    color: str,
    *,
    style: str = "-",
    width: float = 1.8,
    marker: str = "o",
    steps: bool = False,
) -> None:
    """Draw a column where it was measured; dots where epochs are few or gaps lie between.

    Dashed and dotted lines have hollow dots, so that a single epoch can be read too.
    """
    if not is_measured(history, key):
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


def _mark_best(axes: Axes, history: pd.DataFrame, key: str) -> None:
    values = history[key].to_numpy(float)
    best = int(np.nanargmax(values))
    epoch, value = int(history["epoch"].iloc[best]), values[best]
    label = f"best: {value:.1%} in epoch {epoch}"
    axes.plot([epoch], [value], "*", color="black", markersize=11, label=label)


def _mark_skipped(axes: Axes, history: pd.DataFrame, key: str) -> None:
    skipped = history[key].fillna(0).to_numpy(float)
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
    if values.max() / values.min() < 10:
        middle = math.sqrt(values.min() * values.max())
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
    ordered = sorted(events)
    return [
        (name, epoch, text)
        for name, (epoch, text) in zip(letters(len(ordered)), ordered, strict=False)
    ]


def _explained(marks: list[tuple[str, int, str]], width: int) -> str:
    lines = [""]
    for letter, epoch, text in marks:
        entry = f"{letter}  epoch {epoch}: {text}"
        if lines[-1] and len(lines[-1]) + len(entry) > width:
            lines.append("")
        lines[-1] += f"{'     ' if lines[-1] else ''}{entry}"
    return "\n".join(lines)


def _mark_events(axes: Axes, marks: list[tuple[str, int, str]]) -> None:
    at: dict[int, str] = {}
    for letter, epoch, _ in marks:
        at[epoch] = f"{at[epoch]},{letter}" if epoch in at else letter
    for epoch, names in at.items():
        axes.axvline(epoch, color=MUTED, linestyle=(0, (1, 2)), linewidth=1.1, zorder=0.5)
        axes.annotate(
            names,
            (epoch, 1.0),
            (0, 1),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            color=MUTED,
        )
