"""The report of a learning-rate range test: console, picture, JSON file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ferkeras.files.inner import AnyPath
from ferkeras.files.writing import write_json
from ferkeras.lr_find.rules import LONGEST_STEP
from ferkeras.report.palette import (
    MUTED,
    THIRD,
    TRAIN,
    VALIDATION,
    legend_below,
    new_figure,
    save,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferkeras.cli.console import Console
    from ferkeras.config.schema import Config
    from ferkeras.lr_find.range_test import LrRange

_ALIKE = 2.0
"""Two rates less than this factor apart train alike: that is how finely the test can tell."""


def describe_rules(found: LrRange) -> str:
    """Both suggestions in a few words: ``steepest 0.0023, valley 0.0041``."""
    return f"steepest {_rate(found.steepest)}, valley {_rate(found.valley)}"


def describe_difference(found: LrRange) -> str:
    """How the two rules differ, and what that means."""
    steep, middle = found.steepest, found.valley
    if steep is None or middle is None:
        return "the loss falls nowhere, so neither rule names a rate"
    factor = max(steep, middle) / min(steep, middle)
    higher = "valley" if middle > steep else "steepest"
    if factor < _ALIKE:
        return f"steepest and valley agree (a factor of {factor:.1f})"
    return (
        f"{higher} is {factor:.1f} times as high: the fall is long, or bumpy; it begins to be "
        "steep at the lower rate and continues beyond the higher"
    )


def print_lr_range(found: LrRange, config: Config, console: Console) -> None:
    """Print what was tested, what each rule says, how they differ, and the suggestion."""
    train = config.train
    ended = "to the end" if found.stopped_at is None else f"diverged at {_rate(found.stopped_at)}"
    tested = f"{len(found.rates)} steps of {train.batch_size} faces with {train.optimizer}, {ended}"
    facts = {"tested": tested}
    if len(found.rates):
        low, high = found.rates[[0, -1]]
        at, least = int(found.smoothed.argmin()), f"lowest {found.smoothed.min():.3f}"
        facts["loss"] = f"{found.smoothed[0]:.3f} at {low:.2g}, " + (
            f"{least} at the end, {high:.2g}"
            if at == len(found.rates) - 1
            else f"{least} at {found.rates[at]:.2g}, {found.smoothed[-1]:.3f} at {high:.2g}"
        )
    facts["configured"] = f"train.learning_rate={train.learning_rate}"
    console.header(f"Learning-rate range test: {config.name}", facts)
    if found.suggestion is None:
        console.print(f"No rate can be suggested: {found.reason}.")
        return
    console.table(
        "Learning rates",
        ["rule", "rate", "where"],
        [
            ["steepest", _rate(found.steepest), "the loss falls fastest"],
            ["valley", _rate(found.valley), "half way down the longest fall"],
            ["longest", _rate(found.longest), f"a step changes the weights by {LONGEST_STEP:.1%}"],
            [
                "suggestion",
                _rate(found.suggestion),
                "a fifth of the rate at which the loss is down, longest at most",
            ],
        ],
    )
    difference = describe_difference(found)
    console.print(f"{difference[0].upper()}{difference[1:]}.")
    console.print()


def lr_range_figure(found: LrRange, title: str = "") -> Figure:
    """Draw the loss against the rate, with both rules, their bound and the suggestion.

    Args:
        found: what the test found.
        title: of what, for instance the configuration's name.
    """
    figure = new_figure(8.0, 5.2)
    axes = figure.add_subplot()
    tidy(axes, f"Learning-rate range test{': ' + title if title else ''}")
    rates, losses, smoothed = found.rates, found.losses, found.smoothed
    axes.plot(rates, losses, ".", color=MUTED, alpha=0.5, markersize=5, label="loss of each batch")
    axes.plot(rates, smoothed, color=TRAIN, linewidth=2.2, label="smoothed")
    for name, rate, color, marker in (
        ("steepest", found.steepest, VALIDATION, "v"),
        ("valley", found.valley, THIRD, "s"),
        ("longest", found.longest, MUTED, "d"),
    ):
        # The longest may lie beyond what was tested.
        if rate is not None and rates[0] <= rate <= rates[-1]:
            height = float(np.interp(np.log(rate), np.log(rates), smoothed))
            label = f"{name}: {_rate(rate)}"
            axes.plot([rate], [height], marker, color=color, markersize=9, label=label, zorder=3)
    if found.suggestion is not None:
        label = f"suggestion: {_rate(found.suggestion)}"
        axes.axvline(found.suggestion, color="black", linestyle="--", linewidth=1.3, label=label)
    if found.stopped_at is not None:
        label = f"diverged: {_rate(found.stopped_at)}"
        axes.axvline(found.stopped_at, color=MUTED, linestyle=":", linewidth=1.3, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate", fontsize=9, labelpad=1)
    axes.set_ylabel("training loss (nats)")
    if len(losses):
        low, high = smoothed.min(), np.quantile(np.minimum(losses, smoothed.max() * 1.1), 0.98)
        room = 0.12 * (max(high, smoothed.max()) - low) + 0.02
        axes.set_ylim(min(low, np.quantile(losses, 0.01)) - room, max(high, smoothed.max()) + room)
    legend_below(axes, columns=3)
    return figure


def write_lr_range(found: LrRange, folder: AnyPath, title: str = "") -> None:
    """Write `lr_range.png` and `lr_range.json`."""
    save(lr_range_figure(found, title), folder / "lr_range.png")
    write_json(folder / "lr_range.json", found.to_json())


def _rate(rate: float | None) -> str:
    return "none" if rate is None else f"{rate:.2g}"
