"""What a search wants, and what it may cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import did_you_mean, quoted


@dataclass(frozen=True)
class Goal:
    """A figure of a trial that can be wanted.

    Attributes:
        name: for people.
        direction: which way is better.
        most: the greatest value that a training can have; the least is 0.
        column: of the history, from which a training can be judged before its end.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    most: float
    column: str | None = None


GOALS = {
    "accuracy": Goal("accuracy", "maximize", 1.0, "val_accuracy"),
    "balanced_accuracy": Goal("balanced accuracy", "maximize", 1.0, "val_balanced_accuracy"),
    "log_loss": Goal("log loss", "minimize", 1e3, "val_cross_entropy"),
    "parameters": Goal("parameters", "minimize", 1e9),
    "minutes": Goal("minutes of training", "minimize", 1e6),
    "litert_ms": Goal("milliseconds a face (LiteRT, one core)", "minimize", 1e6),
}
"""What can be wanted."""

LIMITED = ("parameters", "minutes", "litert_ms")
"""What can be limited."""

_MOST_GOALS = 2


def read_goals(names: Sequence[str]) -> list[str]:
    """The names of one goal or two.

    Raises:
        InputError: there are more, or one is unknown.
    """
    for name in names:
        if name not in GOALS:
            raise InputError(
                f"--objective {quoted(name)}: no such objective{did_you_mean(name, GOALS)} they "
                f"are {', '.join(GOALS)}"
            )
    if len(set(names)) != len(names) or len(names) > _MOST_GOALS:
        raise InputError(
            f"--objective {' '.join(names)}: expected one objective, or two different ones"
        )
    return list(names)


def read_limits(texts: Sequence[str]) -> dict[str, float]:
    """Greatest values by name, from ``parameters=1000000``.

    Raises:
        InputError: one is unknown, or no number above 0.
    """
    limits: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in LIMITED:
            raise InputError(
                f"--limit {quoted(text)}: no such limit{did_you_mean(name, LIMITED)} they are "
                + ", ".join(f"{each}=NUMBER" for each in LIMITED)
            )
        try:
            limits[name] = float(value.replace("_", ""))
        except ValueError:
            limits[name] = 0.0
        if not 0 < limits[name] < float("inf"):
            raise InputError(f"--limit {quoted(text)}: expected a number above 0")
    return limits


def excess(figures: Mapping[str, float], limits: Mapping[str, float]) -> dict[str, float]:
    """How far each limited figure is above its limit, relative to it; not measured counts as 0."""
    return {name: figures.get(name, limit) / limit - 1 for name, limit in limits.items()}
