"""The forest plot: every change with its interval; and the curves of arms over each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ferkeras.ablate.tables import KINDS, by_comparison
from ferkeras.report.columns import column_of
from ferkeras.report.palette import (
    MUTED,
    RUN_STYLES,
    THIRD,
    TRAIN,
    VALIDATION,
    legend_below,
    legend_name,
    new_figure,
    tidy,
)
from ferkeras.report.panels import COMPARED as CURVES
from ferkeras.study.effects import COMPARED, Effect

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLOURS = {"better": TRAIN, "worse": VALIDATION, "same": THIRD, "open": MUTED}
_MARKERS = {"better": ">", "worse": "<", "same": "s", "open": "o"}
_CURVES = ("val_accuracy", "val_balanced_accuracy", "val_cross_entropy")
_SHOWN = ("accuracy", "balanced_accuracy", "log_loss")
_SHORT = 18
"""Letters of a name that a legend of two columns has room for."""


def forest_figure(found: Sequence[Effect]) -> Figure:
    """Differences with their 95 % intervals, one row a change, one column a measure."""
    rows = [
        (kind, comparison, each)
        for kind in KINDS
        for comparison, each in by_comparison(found, kind).items()
    ]
    figure = new_figure(12, 1.6 + 0.32 * len(rows))
    axes = figure.subplots(1, len(_SHOWN), sharey=True, squeeze=False)[0]
    for ax, key in zip(axes, _SHOWN, strict=True):
        scale = 1 if key == "log_loss" else 100
        for y, (_, _, each) in enumerate(rows):
            effect = each[key]
            if math.isnan(effect.value):
                continue
            colour, marker = _COLOURS[effect.verdict], _MARKERS[effect.verdict]
            if not math.isnan(effect.low):
                ax.plot([scale * effect.low, scale * effect.high], [y, y], color=colour, lw=2)
            ax.plot(scale * effect.value, y, marker, color=colour, ms=7)
        ax.axvline(0, color="#333333", lw=0.8)
        tidy(ax, COMPARED[key].name + (", points" if scale == 100 else ", nats"))
    for y in range(1, len(rows)):
        if rows[y][0] != rows[y - 1][0]:
            for ax in axes:
                ax.axhline(y - 0.5, color="#BBBBBB", lw=0.8, ls=":")
    axes[0].set_yticks(
        range(len(rows)), [_title(kind, comparison.name) for kind, comparison, _ in rows]
    )
    for label in axes[0].get_yticklabels():
        label.set_color("#333333")
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure


def _title(kind: str, name: str) -> str:
    name = legend_name(name)
    name = name if len(name) <= 40 else name[:39] + "…"
    return name if kind in ("variant", "all") else f"{name} ({kind})"


def band_figures(histories: Mapping[str, Sequence[pd.DataFrame]]) -> dict[str, Figure]:
    """Means over the seeds by epoch, with a band from the lowest to the highest, by title.

    Args:
        histories: of each arm, one for each seed.
    """
    import pandas as pd
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figures = {}
    # Two long names beside each other would not fit.
    beside = 1 if max(map(len, histories)) > _SHORT else 2
    for key in _CURVES:
        title = CURVES[key]
        figures[title] = figure = new_figure(4.4, 3.4 + 0.2 * len(histories) / beside)
        axes = figure.add_subplot()
        tidy(axes, title)
        for at, (arm, several) in enumerate(histories.items()):
            columns = [each.set_index("epoch")[key] for each in several if key in each]
            if not columns:
                continue
            values = pd.concat(columns, axis=1)
            color, style = RUN_STYLES[at % len(RUN_STYLES)]
            axes.plot(values.index, values.mean(axis=1), style, color=color, label=legend_name(arm))
            axes.fill_between(
                values.index,
                values.min(axis=1),
                values.max(axis=1),
                color=color,
                alpha=0.15,
                linewidth=0,
            )
        column = column_of(key)
        if column is not None and column.percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch", fontsize=9)
        legend_below(axes, columns=beside)
    return figures
