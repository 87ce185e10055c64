"""When a run changed its regularisation or its learning rate, read from its history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ferkeras.report.columns import REGULARISATION

if TYPE_CHECKING:
    import pandas as pd

    from ferkeras.config.sections.schedule import Schedule

# A learning rate that moves in more of its epochs than this follows a schedule of its own.
_STEADY = 1 / 3


@dataclass(frozen=True)
class Event:
    """Something that was changed during a training.

    Attributes:
        first: the epoch in which a ramp began, or the first with a lower learning rate; from 1.
        last: the epoch in which it reached its last value.
        text: what was changed, from what to what.
    """

    first: int
    last: int
    text: str


def events_of(history: pd.DataFrame, schedule: Schedule) -> list[Event]:
    """Ramps (one event each) and reductions of the learning rate, in time order.

    Args:
        history: one row an epoch; columns as `ferkeras.report.curves.curves_figure` takes them.
        schedule: of the run.
    """
    events = []
    for key in REGULARISATION:
        if key in history and len(at := _changes(history, key)):
            values, epochs = history[key].to_numpy(float), history["epoch"].to_numpy(int)
            # The first epoch of a ramp has the value that it begins with, see `callbacks.ramp`,
            # and the console names that one. Only label smoothing comes from another value.
            jumps = key == "label_smoothing" and np.isclose(
                values[at[0]], schedule.smoothing_begin, rtol=1e-5
            )
            first = at[0] if jumps else at[0] - 1
            # Of a ramp that had only begun, what there was before it is told.
            was = values[first] if first < at[-1] else values[first - 1]
            text = f"{key.replace('_', ' ')} {was:.3g} → {values[at[-1]]:.3g}"
            events.append(Event(int(epochs[first]), int(epochs[at[-1]]), text))
    if "learning_rate" in history:
        at = _changes(history, "learning_rate")
        values, epochs = history["learning_rate"].to_numpy(float), history["epoch"].to_numpy(int)
        if len(at) <= _STEADY * len(history):
            events += [
                Event(
                    int(epochs[place]),
                    int(epochs[place]),
                    f"learning rate {values[place - 1]:.3g} → {values[place]:.3g}",
                )
                for place in at
                if values[place] < values[place - 1]
            ]
    return sorted(events, key=lambda event: (event.first, event.text))


def _changes(history: pd.DataFrame, key: str) -> np.ndarray:
    """Rows whose value is not that of the row before."""
    values = history[key].to_numpy(float)
    # float32 variables: what differs in the last digit has not been changed.
    return np.flatnonzero(~np.isclose(values[1:], values[:-1], rtol=1e-5, atol=1e-9)) + 1
