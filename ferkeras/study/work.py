"""The loop in which a process does its part of a study."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, Interrupted, RunError
from ferkeras.study.storage import put_back, take_from_the_dead

if TYPE_CHECKING:
    import optuna

_LOOK_SECONDS = 1.0

Next = Literal["trial", "wait", "done"]
"""What a process does next: one trial, wait for those of others, or nothing."""


class Failed(Exception):
    """A trial that came to nothing, and is not tried again; the message says why."""


class Surplus(Exception):
    """A trial that was begun although enough are there, by two processes in the same moment."""


def work(
    study: optuna.Study,
    objective: Callable[[optuna.Trial], float | tuple[float, ...]],
    what_next: Callable[[], Next],
    console: Console,
) -> None:
    """Do trials until none is left; those of processes that die meanwhile are taken over.

    Args:
        study: where the trials stand.
        objective: does one trial. `Failed` is remembered as its ``failed``.
        what_next: what to do now; asked before every trial.
        console: shows that others are waited for.

    Raises:
        Interrupted: a signal came; the trial is back in the queue.
        InputError: as the objective's; likewise.
        RunError: likewise.
    """
    waiting = False
    while True:
        take_from_the_dead(study)
        step = what_next()
        if step == "done":
            return
        if step == "wait":
            if not waiting:
                console.print("waiting for trials of other processes")
            waiting = True
            time.sleep(_LOOK_SECONDS)
            continue
        waiting = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=_experimental())
            study.optimize(_guarded(study, objective), n_trials=1, catch=(Failed, Surplus))


def _guarded(
    study: optuna.Study, objective: Callable[[optuna.Trial], float | tuple[float, ...]]
) -> Callable[[optuna.Trial], float | tuple[float, ...]]:
    def guarded(trial: optuna.Trial) -> float | tuple[float, ...]:
        try:
            return objective(trial)
        except Failed as failed:
            trial.set_user_attr("failed", str(failed))
            raise
        except (Interrupted, KeyboardInterrupt, InputError, RunError):
            put_back(study, trial)
            raise

    return guarded


def _experimental() -> type[Warning]:
    import optuna

    return optuna.exceptions.ExperimentalWarning
