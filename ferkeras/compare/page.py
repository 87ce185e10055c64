"""Runs side by side: one page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

import ferkeras
from ferkeras.compare.comparison import (
    Compared,
    Difference,
    by_chance,
    differences_to,
    differing_settings,
    ranking,
    same_faces,
)
from ferkeras.compare.folds import cross_validation
from ferkeras.metrics.bootstrap import CONFIDENCE
from ferkeras.metrics.intervals import intervals_of
from ferkeras.metrics.measures import DASH, MEASURES, formatted_difference
from ferkeras.report.curves import compared_figures
from ferkeras.report.html.figures import measures
from ferkeras.report.html.page import render
from ferkeras.report.html.settings import setting
from ferkeras.report.html.svg import inline_svg


@dataclass(frozen=True)
class Cell:
    """A difference on the page.

    Attributes:
        value: with its sign.
        interval: from ... to ...
        verdict: class in the style sheet.
        picture: the interval against 0.
    """

    value: str
    interval: str
    verdict: str
    picture: Markup


_MARK = re.compile(rb'<meta name="generator" content="ferkeras [^"<>]*, comparison">')
_OPENING = 4096


def is_comparison(opening: bytes) -> bool:
    """Whether a file that begins so is a page that `compare_page` wrote."""
    return _MARK.search(opening[:_OPENING]) is not None


def compare_page(runs: Sequence[Compared]) -> str:
    """Two or more runs side by side as one HTML page that fetches nothing and runs nothing.

    Folds of one data set are taken together in place of their differences.
    """
    first, *others = runs
    folds = cross_validation(runs)
    found = [{d.key: d for d in differences_to(first, other)} for other in others]
    ends = [abs(end) for each in found for d in each.values() for end in (d.low, d.high)]
    reach = max(ends, default=0) or 1
    rows = []
    for key, name in _rows(first.results["emotions"]):
        if any(key in each for each in found):
            rows.append((name, [_cell(each.get(key), reach) for each in found]))
    paired = all(same_faces(first, run.finished, run.validation) for run in others)
    return render(
        "compare.html.j2",
        title=" and ".join(run.name for run in runs)
        if len(runs) == 2
        else f"{len(runs)} runs side by side",
        version=ferkeras.__version__,
        verdict=ranking(runs) if folds is None else folds.verdict,
        folds=folds,
        runs=[
            {
                "name": run.name,
                "best_epoch": run.finished.metrics["best_epoch"],
                "epochs": run.finished.metrics["epochs"],
                "parameters": run.finished.metrics["parameters"],
                "seed": run.finished.config.seed,
                "alarms": run.finished.metrics["alarms"],
            }
            for run in runs
        ],
        figures=list(
            zip(
                *(measures(run.results, intervals_of(run.validation, run.samples)) for run in runs),
                strict=True,
            )
        ),
        settings=[
            (key, [setting(value) for value in values])
            for key, values in differing_settings([run.finished for run in runs])
        ],
        charts=[
            inline_svg(figure, title)
            for title, figure in compared_figures({run.name: run.history for run in runs}).items()
        ],
        differences=rows if folds is None else [],
        chance=by_chance(sum(len(each) for each in found)),
        pairing="All runs were validated on the same faces: the draws are paired."
        if paired
        else "Not all runs were validated on the same faces: those that were not are compared "
        "by draws of their own, and part of each difference is one of the faces.",
        confidence=f"{CONFIDENCE:.0%}",
    )


def _rows(classes: Iterable[str]) -> list[tuple[str, str]]:
    names = tuple(classes)
    return [
        *((key, measure.name) for key, measure in MEASURES.items()),
        *((f"recall/{name}", f"recall of {name}") for name in names),
        *((f"f1/{name}", f"F1 of {name}") for name in names),
    ]


def _cell(difference: Difference | None, reach: float) -> Cell:
    if difference is None:
        return Cell(DASH, "", "open", Markup())
    d = difference
    x, low, high = (60 + 56 * value / reach for value in (d.value, d.low, d.high))
    picture = Markup(
        f'<svg viewBox="0 0 120 20" role="img" aria-label="{d.low:.3f} to {d.high:.3f}">'
        f'<path class="zero" d="M60 0v20"/><g class="{d.verdict}">'
        f'<path class="range" d="M{low:.1f} 10H{high:.1f}"/><circle cx="{x:.1f}" cy="10" r="3.5"/>'
        "</g></svg>"
    )
    interval = f"{formatted_difference(d.key, d.low, unit=False)} to " + formatted_difference(
        d.key, d.high, unit=False
    )
    return Cell(formatted_difference(d.key, d.value), interval, d.verdict, picture)
