"""What a search leaves: tables, pictures, and the best configuration with its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import ferkeras
from ferkeras.ablate.plan import BASE
from ferkeras.ablate.tables import effect_text
from ferkeras.cli.console import Console
from ferkeras.cli.errors import RunError
from ferkeras.cli.figures import Cell, percent
from ferkeras.config.file import dump_config
from ferkeras.files.writing import write_text
from ferkeras.metrics.measures import MEASURES, formatted
from ferkeras.report.palette import save
from ferkeras.search.confirm import BEST
from ferkeras.search.goals import GOALS
from ferkeras.search.pictures import search_figures, settings_of
from ferkeras.search.study import Search
from ferkeras.study.effects import COMPARED
from ferkeras.study.tables import write_csv

if TYPE_CHECKING:
    import optuna

    from ferkeras.ablate.ablation import Ablation

_SHOWN = 10


def write_found(search: Search, confirmation: Ablation | None) -> None:
    """Write down what was found.

    Args:
        search: whose trials are done.
        confirmation: the best and the base with other seeds; None: not trained, or not yet.

    Raises:
        RunError: no trial was trained to its end within the limits.
        OSError: a file cannot be written.
    """
    best = search.best()
    write_csv(search.folder / "trials.csv", _frame(search))
    for name, figure in search_figures(search).items():
        save(figure, search.folder / f"{name}.png")
    if not best:
        raise RunError(
            f"{search.folder}: no trial was trained to its end within the limits; trials.csv "
            "says what became of each; wider limits or other ranges may help"
        )
    for at, trial in enumerate(best):
        name = "best.yaml" if at == 0 else f"front-{at + 1}.yaml"
        text = _evidence(search, trial, confirmation if at == 0 else None)
        config = search.config(trial).model_copy(update={"name": Path(name).stem})
        write_text(search.folder / name, text + dump_config(config))


def print_found(search: Search, console: Console) -> None:
    """Print the best, or the Pareto front."""
    best = search.best()
    goals = search.task.goals
    rows: list[list[Cell]] = [
        [
            trial.number,
            *(_figure(*each) for each in zip(goals, trial.values, strict=True)),
            settings_of(search, trial.params),
        ]
        for trial in best[:_SHOWN]
    ]
    title = "Best" if len(goals) == 1 else "Pareto front"
    console.table(title, ["trial", *(GOALS[name].name for name in goals), "settings"], rows)
    states = [trial.state.name for trial in search.done]
    console.print(
        f"{len(states)} trials: {states.count('COMPLETE')} trained to the end, "
        f"{states.count('PRUNED')} ended early or not trained"
    )
    console.print(f"written: {search.folder / 'best.yaml'}, trials.csv and pictures beside it")


def _figure(goal: str, value: float) -> str:
    return formatted(goal, value) if goal in MEASURES else f"{value:.4g}"


def _evidence(
    search: Search, trial: optuna.trial.FrozenTrial, confirmation: Ablation | None
) -> str:
    """The opening comment of a configuration that was found."""
    task = search.task
    goals = ", ".join(
        f"{GOALS[name].name} {_figure(name, value)}"
        for name, value in zip(task.goals, trial.values, strict=True)
    )
    lines = [
        f"Found by python -m ferkeras.search (ferkeras {ferkeras.__version__}): trial "
        f"{trial.number} of {len(search.done)}.",
        f"In the search, with seed {search.base.seed}: {goals}. That is the best of many, and so "
        "too good.",
        f"Limits: {', '.join(f'{k} {v:g}' for k, v in task.limits.items()) or 'none'}. Settings: "
        + settings_of(search, trial.params),
    ]
    if confirmation is None:
        lines.append("Not trained again with other seeds.")
    else:
        runs = confirmation.runs()
        for arm, name in ((BEST, "This configuration"), (BASE, "The configuration it began with")):
            figures = [
                run.metrics["validation"]["accuracy"] for c, run in runs.items() if c.arm == arm
            ]
            spread = f", standard deviation {100 * np.std(figures, ddof=1):.1f} points"
            lines.append(
                f"{name}, {len(figures)} seeds that the search did not use: accuracy "
                f"{percent(float(np.mean(figures)))}{spread if len(figures) > 1 else ''}."
            )
        if any(run.environment["data"]["official_split"] for run in runs.values()):
            lines.append(
                "All on the validation faces that the source names, by which the best was chosen "
                "too: what it owes to them is still in these figures."
            )
        lines += [
            f"Difference in {COMPARED[effect.key].name}: {effect_text(effect)}, 95 % interval"
            f"{'' if effect.verdict == 'open' else ': ' + effect.verdict}."
            for effect in confirmation.effects()
            if effect.key != "epochs_to_half"
        ]
    # A value of a stranger may have lines, which are no settings.
    return "".join(f"# {part}\n" for line in lines for part in line.splitlines())


def _frame(search: Search) -> pd.DataFrame:
    """One row for each trial."""
    rows = []
    for trial in search.done:
        figures = trial.user_attrs.get("figures", {})
        rows.append(
            {
                "trial": trial.number,
                "state": "trained" if trial.state.name == "COMPLETE" else "ended early",
                **{name: figures.get(name) for name in GOALS},
                "epochs": max(trial.intermediate_values, default=None),
                "settings": settings_of(search, trial.params),
                "run": trial.user_attrs.get("run", ""),
                "failed": trial.user_attrs.get("failed", ""),
            }
        )
    return pd.DataFrame(rows)
