"""The learning rates of schedules, asked for without a training."""

from __future__ import annotations

import contextlib
import dis
import io
import types
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.diagnose.program.nothing_written import nothing_written

_EPOCHS = 1000
_ASKED = 200
_STORES = ("STORE_GLOBAL", "STORE_ATTR", "STORE_SUBSCR", "STORE_DEREF")
_CHANGING = ("append", "extend", "insert", "update", "add", "pop", "assign", "write")
"""What a function does that remembers something from one call to the next."""


def rates_over(
    schedule: keras.optimizers.schedules.LearningRateSchedule, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Up to so many steps, evenly spread, and the learning rate that an optimizer has at each.

    The first is step 0.
    """
    asked = np.unique(np.linspace(0, steps, _ASKED).astype(int))
    # As an optimizer asks: with a tensor, of which some schedules take the type.
    rates = [float(np.asarray(schedule(tf.constant(step, tf.int64)))) for step in asked]
    return asked, np.array(rates)


def rates_of(
    scheduler: keras.callbacks.LearningRateScheduler,
    rate: float,
    epochs: int,
    *,
    goes_on: bool = True,
) -> np.ndarray | None:
    """Learning rates that a schedule has for epochs, shape (epochs,); None where it does not tell.

    Only a function that keeps nothing is asked: it is asked again in `fit`.

    Args:
        scheduler: the callback.
        rate: of the optimizer before the first epoch.
        epochs: so many; of more than a thousand nothing is told.
        goes_on: whether each epoch begins with the rate of the one before, not the first one.
    """
    found: list[float] = []
    if epochs > _EPOCHS or not _remembers_nothing(scheduler.schedule):
        return None
    # What it prints is not for whoever reads the diagnosis.
    with nothing_written(), contextlib.redirect_stdout(io.StringIO()):
        for epoch in range(epochs):
            given = found[-1] if found and goes_on else rate
            try:
                said = _asked(scheduler.schedule, epoch, given)
            except Exception:
                # Somebody else's code, called outside of `fit`; it may want what is not here.
                return None
            found.append(float(np.asarray(said)))
    return np.array(found)


def _remembers_nothing(schedule: Any) -> bool:
    """Whether a schedule is a function that, as far as its code tells, changes nothing."""
    if not isinstance(schedule, types.FunctionType):
        return False
    kept = [cell.cell_contents for cell in schedule.__closure__ or ()]
    plain = all(isinstance(each, (int, float, str, tuple, type(None))) for each in kept)
    code = list(dis.get_instructions(schedule))
    stores = any(each.opname in _STORES or each.argval in _CHANGING for each in code)
    return plain and not stores


def _asked(schedule: Any, epoch: int, rate: float) -> Any:
    """As Keras asks: with the rate, and where it takes none without."""
    try:
        return schedule(epoch, rate)
    except TypeError:
        return schedule(epoch)
