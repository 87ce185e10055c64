"""An ablation as one HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

import ferkeras
from ferkeras.ablate.ablation import Ablation, Cell
from ferkeras.ablate.pictures import band_figures
from ferkeras.ablate.plan import Plan
from ferkeras.ablate.tables import KINDS, by_comparison, collapse_text, effect_text
from ferkeras.config.keys import as_arguments, flat
from ferkeras.report.html.page import render
from ferkeras.report.html.svg import inline_svg
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.history import read_history
from ferkeras.study.effects import COMPARED, ERROR_RATE, MARGIN, Effect, what_is_compared

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    return render(
        "ablation.html.j2",
        title=f"Ablation: {ablation.folder.resolve().name}",
        version=ferkeras.__version__,
        verdict=verdict(found),
        measures=[each.name for each in COMPARED.values()],
        sections=[
            {
                "title": KINDS[kind],
                "rows": [
                    {
                        "name": comparison.name,
                        "cells": [(effect_text(each[key]), each[key]) for key in COMPARED],
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
        forest=inline_svg(forest, "Every change with its interval"),
        curves=[
            (KINDS[kind], _curves(plan, kind, runs))
            for kind, rows in groups
            if rows and kind != "last"
        ],
        settings=[(name, _settings(plan, name)) for name in plan.arms],
        trainings=len(runs),
        hours=f"{ablation.hours():.1f}",
        budget=plan.hours,
        tests=len({what_is_compared(effect) for effect in found if not math.isnan(effect.p)}),
        rate=f"{ERROR_RATE:.0%}",
        margin=f"{100 * MARGIN:g}",
        failed=(table["failed"] != "").any(),
        separate=_separate_faces(runs),
    )


def verdict(found: Sequence[Effect]) -> str:
    """Which changes are decided in accuracy, in one sentence."""
    words = {"better": "helps", "worse": "harms", "same": "changes nothing worth having"}
    parts = []
    tested: dict[tuple[str, str, str], Effect] = {}
    for effect in found:
        if effect.key == "accuracy":
            tested.setdefault(what_is_compared(effect), effect)
    accuracy = list(tested.values())
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
    changed: dict[str, Any] = {
        key: value for key, value in own.items() if key not in first or value != first[key]
    }
    return as_arguments({k: list(v) if isinstance(v, tuple) else v for k, v in changed.items()})


def _curves(plan: Plan, kind: str, runs: Mapping[Cell, FinishedRun]) -> list[Markup]:
    comparisons = [each for each in plan.comparisons if each.kind == kind]
    arms = dict.fromkeys(arm for each in comparisons for arm in (each.reference, each.arm))
    histories = {
        arm: [read_history(run) for cell, run in runs.items() if cell.arm == arm] for arm in arms
    }
    return [
        inline_svg(figure, f"{title}: {kind}") for title, figure in band_figures(histories).items()
    ]


def _separate_faces(runs: Mapping[Cell, FinishedRun]) -> bool:
    """Whether seeds have faces of their own, synthetic ones or a split by the seed."""
    several = len({cell.seed for cell in runs}) > 1
    return several and any(
        not run.environment["data"].get("official_split", True) for run in runs.values()
    )
