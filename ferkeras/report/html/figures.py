"""Rows of figures for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferkeras.metrics.measures import MEASURES, PER_CLASS, formatted, formatted_interval

_RELIABLE_SUPPORT = 100

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


def measures(results: Mapping[str, Any], intervals: Intervals) -> list[Figure]:
    """Every single figure of `results` with its interval."""
    return [
        Figure(
            measure.name,
            formatted(key, results[key]),
            formatted_interval(key, intervals.get(key)),
            "lower is better" if measure.lower_is_better else "",
        )
        for key, measure in MEASURES.items()
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
    for emotion, found in results["emotions"].items():
        figures = [
            Figure(
                measure.name,
                formatted(key, found[kind] if found["support"] else None),
                formatted_interval(key, intervals.get(key)),
            )
            for kind, measure in PER_CLASS.items()
            for key in (f"{kind}/{emotion}",)
        ]
        support = found["support"]
        rows.append(EmotionRow(emotion, figures, support, support < _RELIABLE_SUPPORT))
    return rows
