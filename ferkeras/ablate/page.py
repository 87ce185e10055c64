"""An ablation as one HTML page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import ferkeras
from ferkeras.ablate.ablation import Ablation, Cell
from ferkeras.ablate.plan import Plan
from ferkeras.ablate.tables import KINDS, by_comparison, collapse_text, effect_text
from ferkeras.config.file import as_arguments, flat
from ferkeras.report.html.charts import Chart, Line
from ferkeras.report.html.page import render
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.history import read_history
from ferkeras.study.effects import ERROR_RATE, MARGIN, MEASURES, Effect

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVES = (
    ("val_accuracy", "Validation accuracy", True),
    ("val_balanced_accuracy", "Balanced validation accuracy", True),
    ("val_cross_entropy", "Validation cross-entropy, nats", False),
)
_COLOURS = 8


def ablation_page(
    ablation: Ablation,
    found: Sequence[Effect],
    runs: Mapping[Cell, FinishedRun],
    table: pd.DataFrame,
    forest: Figure,
) -> str:
    """The page: verdict, table, forest plot, curves, settings; it fetches nothing."""
    plan = ablation.plan
    groups = [(kind, by_comparison(found, kind)) for kind in KINDS]
    stream = io.BytesIO()
    forest.savefig(stream, format="png")
    return render(
        "ablation.html.j2",
        title=f"Ablation: {ablation.folder.resolve().name}",
        version=ferkeras.__version__,
        verdict=verdict(found),
        measures=list(MEASURES.values()),
        parts=[
            {
                "title": KINDS[kind],
                "rows": [
                    {
                        "name": comparison.name,
                        "cells": [(effect_text(each[key]), each[key]) for key in MEASURES],
                        "seeds": each["accuracy"].seeds,
                        "with_it": collapse_text(table, comparison.arm),
                        "without": collapse_text(table, comparison.reference),
                    }
                    for comparison, each in rows.items()
                ],
            }
            for kind, rows in groups
            if rows
        ],
        forest=f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}",
        curves=[
            (KINDS[kind], _charts(plan, kind, runs))
            for kind, rows in groups
            if rows and kind != "last"
        ],
        settings=[(name, _settings(plan, name)) for name in plan.arms],
        trainings=len(runs),
        hours=f"{ablation.hours():.1f}",
        budget=plan.hours,
        tests=sum(not math.isnan(effect.p) for effect in found),
        rate=f"{ERROR_RATE:.0%}",
        margin=f"{100 * MARGIN:g}",
        separate=_separate_faces(runs),
    )


def verdict(found: Sequence[Effect]) -> str:
    """Which changes are decided in accuracy, in one sentence."""
    words = {"better": "helps", "worse": "harms", "same": "changes nothing worth having"}
    parts = []
    accuracy = [e for e in found if e.key == "accuracy"]
    for key, word in words.items():
        names = list(dict.fromkeys(_named(e) for e in accuracy if e.verdict == key))
        if names:
            parts.append(f"{word}: {', '.join(names)}")
    still = sum(e.verdict == "open" for e in accuracy)
    parts.append(f"{still} of {len(accuracy)} comparisons of accuracy are not decided")
    return "; ".join(parts) + "."


def _named(effect: Effect) -> str:
    kind = effect.comparison.kind
    return effect.comparison.name + ("" if kind in ("variant", "all") else f" ({kind})")


def _settings(plan: Plan, name: str) -> str:
    first = flat(next(iter(plan.arms.values())))
    own = flat(plan.arms[name])
    changed: dict[str, Any] = {key: own[key] for key in own if own[key] != first[key]}
    return as_arguments({k: list(v) if isinstance(v, tuple) else v for k, v in changed.items()})


def _charts(plan: Plan, kind: str, runs: Mapping[Cell, FinishedRun]) -> list[Chart]:
    arms = list(
        dict.fromkeys(
            arm for c in plan.comparisons if c.kind == kind for arm in (c.reference, c.arm)
        )
    )
    histories = {
        arm: [read_history(run) for cell, run in runs.items() if cell.arm == arm] for arm in arms
    }
    charts = []
    for key, title, percent in _CURVES:
        lines = [
            _band(arm, [each for each in histories[arm] if key in each], key, at)
            for at, arm in enumerate(arms)
            if any(key in each for each in histories[arm])
        ]
        charts.append(Chart(title, lines, percent=percent))
    return charts


def _band(arm: str, histories: Sequence[pd.DataFrame], key: str, at: int) -> Line:
    """Mean over the seeds, from the lowest to the highest of them as a band."""
    values = pd.concat([each.set_index("epoch")[key] for each in histories], axis=1)
    return Line(
        arm,
        values.index.to_numpy(float),
        values.mean(axis=1).to_numpy(float),
        f"run{at % _COLOURS}",
        low=values.min(axis=1).to_numpy(float),
        high=values.max(axis=1).to_numpy(float),
    )


def _separate_faces(runs: Mapping[Cell, FinishedRun]) -> bool:
    """Whether seeds have faces of their own, drawn or split by the seed."""
    return (
        any(
            not run.environment["data"].get("official_split", True)
            or run.config.data.path == "demo"
            for run in runs.values()
        )
        and len({np.int64(cell.seed) for cell in runs}) > 1
    )
