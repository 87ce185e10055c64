"""The loop in which a process does its part of a study."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, Interrupted, MachineError
from ferkeras.cli.signals import Stopped
from ferkeras.study.storage import (
    begin_trial,
    give_up,
    put_back,
    sign_of_life,
    take_from_the_dead,
)
from ferkeras.study.training import LOOK_SECONDS

if TYPE_CHECKING:
    import optuna

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
        MachineError: likewise.
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
            time.sleep(LOOK_SECONDS)
            continue
        waiting = False
        _one_trial(study, objective)


def _one_trial(
    study: optuna.Study, objective: Callable[[optuna.Trial], float | tuple[float, ...]]
) -> None:
    # Not by `Study.optimize`, for which a store that cannot be written is a mistake in itself.
    import optuna

    trial = begin_trial(study)
    # A process that was suspended was taken for dead: whoever has its trial now finds what it has
    # trained.
    with suppress(optuna.exceptions.UpdateFinishedTrialError):
        try:
            with sign_of_life(study, trial):
                values = objective(trial)
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED, skip_if_finished=True)
        except Failed as failed:
            trial.set_user_attr("failed", str(failed))
            give_up(study, trial)
        except Surplus:
            give_up(study, trial)
        except (
            Interrupted,
            KeyboardInterrupt,
            Stopped,
            InputError,
            MachineError,
            OSError,
            optuna.exceptions.StorageInternalError,
        ):
            put_back(study, trial)
            raise
        except Exception:
            # A configuration that ends every process which tries it is not tried again.
            give_up(study, trial)
            raise
        else:
            study.tell(trial, values, skip_if_finished=True)
