"""Accuracy by minutes of training, a curve a recipe: `docs/images/accuracy-over-time.png`.

  PYTHONPATH=. python benchmarks/accuracy_over_time.py --add "fer2013-fast" RUN/history.csv 36

Adds a curve to `accuracy-over-time.csv`, which lies beside the picture and holds every curve in
it, or replaces the one of that name, and draws the picture; without `--add` it only draws. The
number is the seconds of an epoch: measured, or in proportion to measured steps, which the page that
shows the picture says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from ferkeras.report.palette import RUN_STYLES, new_figure, save, tidy

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
CURVES = FOLDER / "accuracy-over-time.csv"


def main() -> None:
    """Add a curve if asked to; draw all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--add", nargs=3, metavar=("NAME", "HISTORY", "SECONDS"))
    arguments = parser.parse_args()
    curves = pd.read_csv(CURVES) if CURVES.exists() else pd.DataFrame()
    if arguments.add:
        name, history, seconds = arguments.add
        epochs = pd.read_csv(history)[["epoch", "val_accuracy"]]
        added = pd.DataFrame(
            {
                "curve": name,
                "minutes": (epochs["epoch"] * float(seconds) / 60).round(2),
                "accuracy": epochs["val_accuracy"].round(5),
            }
        )
        others = curves[curves["curve"] != name] if len(curves) else curves
        curves = pd.concat([others, added])
        curves.to_csv(CURVES, index=False)
    draw(curves)


def draw(curves: pd.DataFrame) -> None:
    """Draw every curve, in the order of the table."""
    figure = new_figure(9.4, 5.0)
    axes = figure.subplots()
    for (name, curve), (color, line) in zip(
        curves.groupby("curve", sort=False), RUN_STYLES, strict=False
    ):
        axes.plot(curve["minutes"], 100 * curve["accuracy"], line, color=color, label=name)
    axes.set(
        xlim=(0, None),
        ylim=(45, 73),
        xlabel="minutes of two cores (without those of its teachers)",
        ylabel="PublicTest accuracy in %",
    )
    tidy(axes, "FER2013: accuracy by minutes of training")
    axes.legend(frameon=False, loc="lower right")
    save(figure, FOLDER / "accuracy-over-time.png")


if __name__ == "__main__":
    main()
