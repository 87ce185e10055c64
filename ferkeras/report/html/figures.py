"""How figures are written on a page: fractions in percent, others with three digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferkeras.data.labels import EMOTIONS
from ferkeras.metrics.predictions import LOWER_IS_BETTER, MEASURES

_PLAIN = ("cohen_kappa", "matthews", "log_loss", "brier")
_RELIABLE_SUPPORT = 100
_DASH = "\N{EN DASH}"

Intervals = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Figure:
    """A figure with its interval, as text.

    Attributes:
        name: what it is.
        value: the figure, a dash where it is not defined.
        interval: from ... to ..., empty where there is none.
        note: what to know about it.
    """

    name: str
    value: str
    interval: str = ""
    note: str = ""


def written(key: str, value: float | None) -> str:
    """A figure as text; `key` is its name, such as ``accuracy`` or ``recall/happy``."""
    if value is None or value != value:
        return _DASH
    return f"{value:.3f}" if key in _PLAIN else f"{100 * value:.1f}%"


def written_difference(key: str, value: float | None, *, unit: bool = True) -> str:
    """A difference of two figures with its sign; fractions in percentage points."""
    if value is None:
        return _DASH
    if key in _PLAIN:
        return f"{value:+.3f}"
    return f"{100 * value:+.1f}{' points' if unit else ''}"


def written_interval(key: str, interval: tuple[float, float] | None) -> str:
    """An interval as text, the unit left out; empty for None."""
    if interval is None:
        return ""
    low, high = interval
    if key in _PLAIN:
        return f"{low:.3f} {_DASH} {high:.3f}"
    return f"{100 * low:.1f} {_DASH} {100 * high:.1f}"


def measures(results: Mapping[str, Any], intervals: Intervals) -> list[Figure]:
    """Every single figure of `results` with its interval."""
    return [
        Figure(
            name,
            written(key, results[key]),
            written_interval(key, intervals.get(key)),
            "lower is better" if key in LOWER_IS_BETTER else "",
        )
        for key, name in MEASURES.items()
        if key in results
    ]


@dataclass(frozen=True)
class EmotionRow:
    """What a table says of one emotion.

    Attributes:
        name: the emotion.
        figures: precision, recall and F1.
        support: faces.
        few: whether there are too few of them to trust the figures.
    """

    name: str
    figures: list[Figure]
    support: int
    few: bool


def emotion_rows(results: Mapping[str, Any], intervals: Intervals) -> list[EmotionRow]:
    """Precision, recall, F1 with intervals and the number of faces, by emotion."""
    rows = []
    for emotion in EMOTIONS:
        found = results["emotions"][emotion]
        figures = [
            Figure(
                title,
                written(key, found[key] if found["support"] else None),
                written_interval(key, intervals.get(f"{key}/{emotion}")),
            )
            for key, title in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
        ]
        support = found["support"]
        rows.append(EmotionRow(emotion, figures, support, support < _RELIABLE_SUPPORT))
    return rows
