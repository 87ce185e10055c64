"""The figures of an ablation as rows: for the console, the page, and CSV files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pandas as pd

from ferkeras.ablate.ablation import Cell
from ferkeras.metrics.measures import formatted_difference
from ferkeras.runs.finished import FinishedRun
from ferkeras.study.effects import COMPARED, Comparison, Effect
from ferkeras.study.measure import measured

KINDS = {
    "variant": "Variants, against the configuration as it is",
    "all": "From the first configuration to the second",
    "alone": "Each change alone, on top of the first configuration",
    "last": "Each change as the last one: the second configuration against the one without it",
    "stairs": "The stairs from the first to the second, each against the step before",
}
"""Parts of the table, in order, and their titles."""


def by_comparison(found: Sequence[Effect], kind: str) -> dict[Comparison, dict[str, Effect]]:
    """The effects of a part of the table, by measure."""
    rows: dict[Comparison, dict[str, Effect]] = {}
    for effect in found:
        if effect.comparison.kind == kind:
            rows.setdefault(effect.comparison, {})[effect.key] = effect
    return rows


def effect_text(effect: Effect) -> str:
    """A difference as text, with its interval."""
    if math.isnan(effect.value):
        return "-"
    if effect.key == "epochs_to_half":
        text, low, high = (f"{v:+.1f}" for v in (effect.value, effect.low, effect.high))
    else:
        text, low, high = (
            formatted_difference(effect.key, v, unit=False)
            for v in (effect.value, effect.low, effect.high)
        )
    return text if math.isnan(effect.low) else f"{text} [{low}, {high}]"


def effects_frame(found: Sequence[Effect]) -> pd.DataFrame:
    """One row for each comparison and measure."""
    return pd.DataFrame(
        [
            {
                "kind": e.comparison.kind,
                "change": e.comparison.name,
                "arm": e.comparison.arm,
                "reference": e.comparison.reference,
                "measure": e.key,
                "difference": e.value,
                "low": e.low,
                "high": e.high,
                "p": e.p,
                "p_corrected": e.adjusted,
                "seeds": e.seeds,
                "verdict": e.verdict,
            }
            for e in found
        ]
    )


def runs_frame(
    runs: Mapping[Cell, FinishedRun], failures: Mapping[Cell, str], seed: Callable[[Cell], int]
) -> pd.DataFrame:
    """One row for each training.

    Args:
        runs: those that are done.
        failures: those that came to nothing, and why.
        seed: the configuration's seed of a training.
    """
    rows = []
    for cell, run in runs.items():
        figures, each = cast(dict[str, Any], run.metrics["validation"]), measured(run)
        rows.append(
            {
                "arm": cell.arm,
                "seed": run.config.seed,
                **{key: figures[key] for key in COMPARED if key in figures},
                "epochs_to_half": each.epochs_to_half,
                "collapsed": each.collapsed,
                "best_epoch": run.metrics["best_epoch"],
                "parameters": run.metrics["parameters"],
                "run": run.name,
                "failed": "",
            }
        )
    rows += [{"arm": cell.arm, "seed": seed(cell), "failed": why} for cell, why in failures.items()]
    return pd.DataFrame(rows)


def collapse_text(runs: pd.DataFrame, arm: str) -> str:
    """In how many of its trainings an arm collapsed, and how many failed."""
    own = runs[runs["arm"] == arm]
    done = own[own["failed"] == ""]
    parts = [f"{int(done['collapsed'].sum())} of {len(done)}"]
    if len(done) < len(own):
        parts.append(f"{len(own) - len(done)} failed")
    return ", ".join(parts)
