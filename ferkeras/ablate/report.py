"""What an ablation leaves: tables, forest plot and page; and what the console says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferkeras.ablate.ablation import Ablation
from ferkeras.ablate.page import ablation_page, verdict
from ferkeras.ablate.pictures import forest_figure
from ferkeras.ablate.tables import (
    KINDS,
    by_comparison,
    collapse_text,
    effect_text,
    effects_frame,
    runs_frame,
)
from ferkeras.cli.console import Console
from ferkeras.cli.errors import RunError
from ferkeras.cli.figures import Cell
from ferkeras.files.writing import write_text
from ferkeras.report.palette import save
from ferkeras.study.effects import COMPARED
from ferkeras.study.tables import write_csv

_MARKS = {"better": " better", "worse": " worse", "same": " same", "open": ""}


@dataclass(frozen=True)
class Files:
    """What is written into the folder of an ablation."""

    folder: Path

    @property
    def page(self) -> Path:
        """Everything on one page."""
        return self.folder / "ablation.html"

    @property
    def effects(self) -> Path:
        """One row a comparison and measure."""
        return self.folder / "effects.csv"

    @property
    def runs(self) -> Path:
        """One row a training."""
        return self.folder / "runs.csv"

    @property
    def forest(self) -> Path:
        """The forest plot."""
        return self.folder / "forest.png"


def report(ablation: Ablation, console: Console) -> None:
    """Judge what has been trained, write it down and print it.

    Raises:
        InputError: a run is gone or damaged.
        RunError: nothing was trained.
        OSError: a file cannot be written.
    """
    runs, failures = ablation.runs(), ablation.failures()
    if not runs:
        raise RunError(f"{ablation.folder}: no training came to an end; nothing is compared")
    found = ablation.effects()
    table = runs_frame(runs, failures, lambda cell: ablation.plan.config(cell.arm, cell.seed).seed)
    files = Files(ablation.folder)
    figure = forest_figure(found)
    write_csv(files.effects, effects_frame(found))
    write_csv(files.runs, table)
    save(figure, files.forest)
    write_text(files.page, ablation_page(ablation, found, runs, table, figure))
    for kind, title in KINDS.items():
        rows: list[list[Cell]] = []
        for comparison, each in by_comparison(found, kind).items():
            rows.append(
                [
                    comparison.name,
                    *(effect_text(each[key]) + _MARKS[each[key].verdict] for key in COMPARED),
                    each["accuracy"].seeds,
                    collapse_text(table, comparison.arm),
                ]
            )
        if rows:
            console.table(
                title,
                ["change", *(each.name for each in COMPARED.values()), "seeds", "collapsed"],
                rows,
            )
    console.print(verdict(found))
    console.print(f"written: {files.page}")
