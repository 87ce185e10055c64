"""Train from any step to the end; restore a checkpoint when the training diverges."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras

from ferkeras.callbacks import CosineLearningRate, Diverged
from ferkeras.cli.console import Alarm, Console
from ferkeras.cli.errors import InputError, RunError
from ferkeras.cli.signals import StopRequest
from ferkeras.config.schema import Config
from ferkeras.training.checkpointing import TrainingCheckpoint
from ferkeras.training.checkpoints import Checkpoint, CheckpointFolder
from ferkeras.training.divergence import diagnose_divergence
from ferkeras.training.setup import RATE, TrainingSetup, begin_values
from ferkeras.training.state import TrainingState


class DivergedForGood(RunError):
    """A training has diverged more often than a checkpoint is restored.

    Attributes:
        reason: what was seen, in a line.
        epoch: the epoch, counted from 1.
        step: steps of that epoch that are done.
    """

    def __init__(self, diverged: Diverged, times: int, diagnosis: str) -> None:
        super().__init__(f"{diverged}, after restoring a checkpoint {times} times\n{diagnosis}")
        self.reason = str(diverged)
        self.epoch, self.step = diverged.epoch, diverged.step


class TrainingLoop:
    """One training as a sequence of calls of `fit`, which its callbacks see as one.

    Args:
        config: the resolved configuration.
        setup: what is trained, with its faces.
        callbacks: those of the training, in order.
        folder: where checkpoints go.
        console: where messages are printed.
        request: whether to leave.
    """

    def __init__(
        self,
        config: Config,
        setup: TrainingSetup,
        callbacks: Sequence[keras.callbacks.Callback],
        folder: CheckpointFolder,
        console: Console,
        request: StopRequest,
    ) -> None:
        self._config = config
        self._setup = setup
        self._console = console
        self._folder = folder
        self._recoveries = _Recoveries()
        self._schedules = [each for each in callbacks if isinstance(each, CosineLearningRate)]
        self._state = TrainingState(setup.model, [*callbacks, self._recoveries], console)
        self._checkpointing = TrainingCheckpoint(self._state, folder, config.checkpoint, request)
        self._callbacks = _OneTraining(
            [*callbacks, self._checkpointing],
            add_history=True,
            model=setup.model,
            epochs=config.train.epochs,
            steps=setup.pipeline.steps_per_epoch,
        )
        self._epoch, self._step = 1, 0

    def go_on(self) -> bool:
        """Continue from the newest checkpoint; False if there is none.

        Raises:
            InputError: see `CheckpointFolder.newest` and `TrainingState.restore`; or it is inside
                an epoch past the last one that is asked for.
        """
        checkpoint = self._folder.newest(self._console.alarm)
        if checkpoint is None:
            return False
        epochs = self._config.train.epochs
        if checkpoint.step and checkpoint.epoch > epochs:
            raise InputError(
                f"train.epochs={epochs}: the run was cut off inside a later epoch "
                f"({checkpoint.place}), and goes on from there; name at least {checkpoint.epoch}"
            )
        self._state.restore(checkpoint)
        self._epoch, self._step = checkpoint.epoch, checkpoint.step
        self._checkpointing.start_from((self._epoch, self._step))
        self._console.print(f"resuming at {checkpoint.place}")
        return True

    def go_on_changed(
        self, checkpoint: Checkpoint, changed: Collection[str], alarms: Sequence[Alarm]
    ) -> None:
        """Continue from a checkpoint of other settings.

        Args:
            checkpoint: of a network with the same variables.
            changed: the dotted keys that have other values since. What a training changes itself
                (learning rate, dropout, smoothing) keeps the value that it had come to, unless
                its key is one of them.
            alarms: all that there were, also of epochs that are lost.

        Raises:
            InputError: see `TrainingState.restore`.
        """
        begun = [
            (variable, variable.numpy())
            for key, variables in begin_values(self._setup.model).items()
            if key in changed
            for variable in variables
        ]
        schedules = [(each, each.get_state()) for each in self._schedules if RATE in changed]
        self._state.restore(checkpoint)
        for variable, value in begun:
            variable.assign(value)
        for schedule, state in schedules:
            schedule.set_state(state)
        self._recoveries.count = 0
        self._console.alarms[:] = alarms
        self._epoch, self._step = checkpoint.epoch, checkpoint.step
        self._checkpointing.save(self._epoch, self._step)

    @property
    def epochs_done(self) -> int:
        """Whole epochs that are done."""
        return self._epoch - 1

    def run(self, *, ended: bool) -> None:
        """Train to the end.

        Args:
            ended: whether a callback had ended the training before it was cut off.

        Raises:
            StoppedBetweenSteps: the request to leave was granted.
            DivergedForGood: the training diverged, more often than `recovery.at_most`.
            RunError: it diverged before the first checkpoint.
        """
        self._callbacks.begin()
        while not ended:
            try:
                self._fit()
                break
            except Diverged as diverged:
                self._recover(diverged)
        self._callbacks.end()

    def _fit(self) -> None:
        model = self._setup.model
        model.stop_training = False
        if self._step:
            # The rest of an epoch is a `fit` of its own, because it has fewer steps.
            self._fit_epochs(self._epoch, self._epoch)
            self._epoch, self._step = self._epoch + 1, 0
        if self._epoch <= self._config.train.epochs and not model.stop_training:
            self._fit_epochs(self._epoch, self._config.train.epochs)

    def _fit_epochs(self, first: int, last: int) -> None:
        pipeline = self._setup.pipeline
        self._callbacks.first_step = self._step
        self._setup.model.fit(
            pipeline.dataset(first, last, self._step),
            steps_per_epoch=pipeline.steps_per_epoch - self._step,
            initial_epoch=first - 1,
            epochs=last,
            validation_data=self._setup.validation,
            class_weight=self._setup.balance.weights,
            callbacks=self._callbacks,
            shuffle=False,  # the pipeline has its own order
            verbose=0,
        )

    def _recover(self, diverged: Diverged) -> None:
        """Put the last checkpoint back, with a lower learning rate, or give up."""
        self._console.close()
        recovery, model = self._config.recovery, self._setup.model
        diagnosis = diagnose_divergence(self._config, model)
        count = self._recoveries.count + 1
        if count > recovery.at_most:
            raise DivergedForGood(diverged, count - 1, diagnosis)
        checkpoint = self._folder.newest(self._console.alarm)
        if checkpoint is None:
            raise RunError(f"{diverged}, before the first checkpoint\n{diagnosis}")
        self._state.restore(checkpoint)
        self._epoch, self._step = checkpoint.epoch, checkpoint.step
        rate = model.optimizer.learning_rate
        before = float(rate.numpy())
        rate.assign(before * recovery.learning_rate_factor)
        for schedule in self._schedules:
            schedule.lower(recovery.learning_rate_factor)
        self._recoveries.count = count
        self._console.alarm(
            f"{diverged}; restored {checkpoint.place}, and lowered the learning rate from "
            f"{before:.3g} to {float(rate.numpy()):.3g} ({count} of at most {recovery.at_most} "
            "times)"
        )
        # Once more, now with the lower rate, so that a resumed run has it too.
        self._checkpointing.start_from(None)
        self._checkpointing.save(self._epoch, self._step)


class _Recoveries:
    """How often a checkpoint was restored after divergence."""

    def __init__(self) -> None:
        self.count = 0

    def get_state(self) -> dict[str, Any]:
        return {"count": self.count}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.count = state["count"]


class _OneTraining(keras.callbacks.CallbackList):
    """Callbacks that see several calls of `fit` as one training.

    Attributes:
        first_step: steps of the epoch that were done before `fit` was called.
    """

    first_step = 0

    def begin(self) -> None:
        super().on_train_begin()

    def end(self) -> None:
        super().on_train_end()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        pass

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        pass

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_begin(self.first_step + batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.first_step = 0
        super().on_epoch_end(epoch, logs)
