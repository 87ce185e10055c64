"""What `compare` prints, and where its page goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.figures import Cell
from ferkeras.cli.wording import shown
from ferkeras.compare.comparison import (
    Compared,
    by_chance,
    differences_to,
    differing_settings,
    ranking,
)
from ferkeras.compare.folds import CrossValidation, cross_validation
from ferkeras.compare.page import is_comparison
from ferkeras.files.inner import inside
from ferkeras.metrics.bootstrap import CONFIDENCE
from ferkeras.metrics.measures import (
    MEASURES,
    PER_CLASS,
    formatted,
    formatted_difference,
    measure_of,
)
from ferkeras.report.html.settings import setting

_LONGEST_NAME = 150


def default_page(runs: Sequence[Compared]) -> Path:
    """Where the page goes if nobody says: beside the first run, named after all of them."""
    names = "-".join(run.finished.name for run in runs)
    if len(names) > _LONGEST_NAME:
        names = f"{runs[0].finished.name}-and-{len(runs) - 1}-more"
    folder = runs[0].finished.run.results.path.resolve().parent
    here = Path.cwd()
    if folder.is_relative_to(here):
        folder = folder.relative_to(here)
    return folder / f"compare-{names}.html"


def check_page(path: Path) -> None:
    """Refuse a file that is there already and no earlier comparison.

    Raises:
        InputError: it would be replaced.
        OSError: it cannot be read.
    """
    page = inside(path)
    if page.exists() and not (page.is_file() and is_comparison(page.read_bytes())):
        raise InputError(
            f"{shown(path)}: not a page that python -m ferkeras.compare has written, which it "
            "would replace; name another with --output FILE"
        )


def print_comparison(runs: Sequence[Compared], console: Console) -> None:
    """Print figures side by side, the settings that differ, and differences by class.

    Folds of one data set are not compared, but taken together.
    """
    first, *others = runs
    names = [run.name for run in runs]
    rows: list[list[Cell]] = [
        [measure.name, *(formatted(key, run.results[key]) for run in runs)]
        for key, measure in MEASURES.items()
    ]
    rows.append(["best epoch", *(str(run.finished.metrics["best_epoch"]) for run in runs)])
    console.table("Validation faces", ["measure", *names], rows)
    folds = cross_validation(runs)
    if folds is not None:
        print_cross_validation(folds, console)
        return
    console.print(f"{ranking(runs)}\n")
    different = differing_settings([run.finished for run in runs])
    if different:
        console.table(
            "Settings that differ",
            ["key", *names],
            [[key, *(setting(value) for value in values)] for key, values in different],
        )
    else:
        console.print("No setting differs.\n")
    compared = 0
    for other in others:
        found = {each.key: each for each in differences_to(first, other)}
        if not found:
            continue
        keys = [
            "accuracy",
            "balanced_accuracy",
            *(f"recall/{name}" for name in first.results["emotions"]),
        ]
        console.table(
            f"{other.name} less {first.name}",
            ["figure", "difference", f"{CONFIDENCE:.0%} interval", ""],
            [
                [
                    measure_of(key).name,
                    formatted_difference(key, each.value),
                    f"{formatted_difference(key, each.low, unit=False)} to "
                    f"{formatted_difference(key, each.high, unit=False)}",
                    "" if each.verdict == "open" else each.verdict,
                ]
                for key in keys
                if (each := found.get(key)) is not None
            ],
        )
        compared += len(found.keys() & set(keys))
    if compared:
        console.print(f"Note: {by_chance(compared)}; other seeds change figures too.")


def print_cross_validation(folds: CrossValidation, console: Console) -> None:
    """Print what the folds of one data set say together."""
    console.print(f"{folds.verdict}\n")
    console.table(
        "All folds together",
        ["measure", "all faces", f"{CONFIDENCE:.0%} interval", "mean ± std of the folds (range)"],
        [[each.name, each.value, each.interval, each.folds] for each in folds.figures],
    )
    classes = folds.results["emotions"]
    console.table(
        "Classes",
        ["class", "faces", *(measure.name for measure in PER_CLASS.values())],
        [
            [name, f"{found['support']:,}", *(formatted(key, found[key]) for key in PER_CLASS)]
            for name, found in classes.items()
        ],
    )
