"""What a search looked like: its course, what mattered, which values went together, the front."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ferkeras.config.keys import as_arguments
from ferkeras.report.palette import MUTED, TRAIN, VALIDATION, legend_below, new_figure, tidy
from ferkeras.search.goals import GOALS
from ferkeras.search.space import Range, values_of
from ferkeras.search.study import Search, is_within

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def search_figures(search: Search) -> dict[str, Figure]:
    """The pictures that there is something to draw for, by file name."""
    complete = [t for t in search.done if t.state.name == "COMPLETE"]
    if not complete:
        return {}
    figures = {"history": _history(search)}
    importances = search.importances()
    if importances:
        figures["importances"] = _importances(importances, GOALS[search.task.goals[0]].name)
    if len(search.space) > 1:
        figures["parallel_coordinates"] = _parallel(search)
    if len(search.task.goals) > 1:
        figures["pareto_front"] = _front(search)
    return figures


def _history(search: Search) -> Figure:
    goal = GOALS[search.task.goals[0]]
    figure = new_figure(8, 4.6)
    axes = figure.add_subplot()
    tidy(axes, f"Course of the search: {goal.name}")
    complete = [t for t in search.done if t.state.name == "COMPLETE"]
    within = [t for t in complete if is_within(t)]
    beyond = [t for t in complete if t not in within]
    for trials, color, marker, label in (
        (within, TRAIN, "o", "trained to the end"),
        (beyond, MUTED, "x", "above a limit"),
    ):
        if trials:
            numbers, values = [t.number for t in trials], [t.values[0] for t in trials]
            axes.plot(numbers, values, marker, color=color, label=label, ms=5)
    if within:
        best = np.maximum if goal.direction == "maximize" else np.minimum
        axes.plot(
            [t.number for t in within],
            best.accumulate([t.values[0] for t in within]),
            color=VALIDATION,
            drawstyle="steps-post",
            label="best so far",
        )
    ended = [t.number for t in search.done if t.state.name == "PRUNED"]
    low = axes.get_ylim()[0]
    axes.plot(ended, [low] * len(ended), "|", color=MUTED, label="ended early, or not trained")
    axes.set_xlabel("trial", fontsize=9)
    legend_below(axes, columns=4)
    return figure


def _importances(importances: dict[str, float], goal: str) -> Figure:
    figure = new_figure(8, 1.4 + 0.35 * len(importances))
    axes = figure.add_subplot()
    tidy(axes, f"Fraction of the variance of {goal} that a key explains, noise too (fANOVA)")
    names = list(importances)[::-1]
    axes.barh(names, [importances[name] for name in names], color=TRAIN)
    axes.set_xlim(0, 1)
    return figure


def _parallel(search: Search) -> Figure:
    goal = GOALS[search.task.goals[0]]
    complete = [t for t in search.done if t.state.name == "COMPLETE"]
    keys = list(search.space)
    figure = new_figure(2.2 + 1.9 * len(keys), 5)
    axes = figure.add_subplot()
    tidy(axes, "Values that went together; the better, the darker")
    values = np.array([t.values[0] for t in complete])
    order = np.argsort(values if goal.direction == "maximize" else -values)
    shades = np.linspace(0.12, 0.95, len(complete))
    for shade, at in zip(shades, order, strict=True):
        trial = complete[at]
        heights = [_height(search, key, trial.params[key]) for key in keys]
        last = (values[at] - values.min()) / (np.ptp(values) or 1.0)
        axes.plot(range(len(keys) + 1), [*heights, last], color=TRAIN, alpha=float(shade), lw=1.4)
    for at, key in enumerate(keys):
        for height, text in _marks(search, key):
            axes.annotate(text, (at, height), (3, 0), textcoords="offset points", fontsize=7.5,
                          color="#333333", va="center", parse_math=False)  # fmt: skip
    for height, value in ((0, values.min()), (1, values.max())):
        axes.annotate(f"{value:.4g}", (len(keys), height), (3, 0), fontsize=7.5,
                      textcoords="offset points", color="#333333", va="center")  # fmt: skip
    axes.set_xticks(range(len(keys) + 1), [*(k.replace(".", ".\n") for k in keys), goal.name])
    axes.set_yticks([])
    axes.set_xlim(-0.1, len(keys) + 0.4)
    return figure


def _height(search: Search, key: str, stored: object) -> float:
    """Where a value stands on its axis, 0 to 1."""
    each = search.space[key]
    if isinstance(each, Range):
        low, high, value = each.low, each.high, float(stored)  # type: ignore[arg-type]
        if each.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)
    return each.values.index(each.value(stored)) / (len(each.values) - 1)


def _marks(search: Search, key: str) -> list[tuple[float, str]]:
    each = search.space[key]
    if isinstance(each, Range):
        return [(0.0, f"{each.low:g}"), (1.0, f"{each.high:g}")]
    return [(at / (len(each.values) - 1), str(value)) for at, value in enumerate(each.values)]


def _front(search: Search) -> Figure:
    first, second = search.task.goals
    figure = new_figure(7, 5)
    axes = figure.add_subplot()
    tidy(axes, "Pareto front")
    complete = [t for t in search.done if t.state.name == "COMPLETE"]
    front = search.best()
    points = [t.values for t in complete if t not in front]
    if points:
        axes.plot([p[1] for p in points], [p[0] for p in points], "o", color=MUTED, label="others")
    axes.plot([t.values[1] for t in front], [t.values[0] for t in front], "o-", color=VALIDATION,
              label="nothing is better in both")  # fmt: skip
    for trial in front:
        axes.annotate(f"{trial.number}", (trial.values[1], trial.values[0]), (4, 4),
                      textcoords="offset points", fontsize=8)  # fmt: skip
    axes.set_xlabel(GOALS[second].name, fontsize=9)
    axes.set_ylabel(GOALS[first].name, fontsize=9)
    legend_below(axes)
    return figure


def settings_of(search: Search, params: dict[str, object]) -> str:
    """A trial's values as they stand on a command line."""
    return as_arguments(values_of(search.space, params))
