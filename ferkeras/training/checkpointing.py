"""Write checkpoints while a training runs, and end it between two steps when asked to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras

from ferkeras.cli.signals import StopRequest
from ferkeras.config.sections.checkpoint import CheckpointTimes
from ferkeras.training.checkpoints import CheckpointFolder
from ferkeras.training.state import TrainingState


class StoppedBetweenSteps(Exception):
    """The training was left between two steps, as a signal asked for.

    Attributes:
        signal: number of the signal.
        saved: whether the state there is saved; else it is one that is not worth going back to.
    """

    def __init__(self, signal: int, *, saved: bool) -> None:
        super().__init__(f"stopped by signal {signal}")
        self.signal = signal
        self.saved = saved


class TrainingCheckpoint(keras.callbacks.Callback):
    """Save the state now and then, at the end of each epoch and before leaving.

    Stand it last, so that an epoch is saved when all others have dealt with it. Between two saves
    it costs a reading of the clock for each step; nothing is read back from the device.

    Args:
        state: of the training that this callback is part of.
        folder: where to.
        settings: how often within an epoch.
        request: whether to leave.
        clock: seconds that only grow.

    Raises:
        StoppedBetweenSteps: out of `fit`, after the state was saved if it is sound.
    """

    def __init__(
        self,
        state: TrainingState,
        folder: CheckpointFolder,
        settings: CheckpointTimes,
        request: StopRequest,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._state = state
        self._folder = folder
        self._settings = settings
        self._request = request
        self._clock = clock
        self._epoch = 1
        self._saved_at = clock()
        self._steps = 0
        self._saved: tuple[int, int] | None = None

    def save(self, epoch: int, step: int) -> bool:
        """Write the state in which `step` steps of `epoch` (from 1) are done, if it is sound.

        Returns:
            Whether it is saved.
        """
        if self._saved == (epoch, step):
            return True
        checkpoint = self._state.capture(epoch, step)
        if checkpoint is None:
            return False
        self._folder.save(checkpoint)
        self._saved = (epoch, step)
        self._saved_at = self._clock()
        self._steps = 0
        return True

    def start_from(self, place: tuple[int, int] | None) -> None:
        """Take a place (epoch and steps done) for saved; with None, none is."""
        self._saved = place

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Save the very beginning, so that there is always something to go back to."""
        if self._saved is None:
            self.save(1, 0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Restore the metrics of a resumed epoch."""
        self._epoch = epoch + 1
        self._state.restore_metrics()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Save or leave, if it is time: `batch` steps are done."""
        if self._request.signal is not None or self._due():
            self._leave_if_asked(saved=self.save(self._epoch, batch))
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save; leave if asked to."""
        self._leave_if_asked(saved=self.save(epoch + 2, 0))

    def _due(self) -> bool:
        steps, seconds = self._settings.every_steps, self._settings.every_seconds
        return (steps is not None and self._steps >= steps) or (
            seconds is not None and self._clock() - self._saved_at >= seconds
        )

    def _leave_if_asked(self, *, saved: bool) -> None:
        if self._request.signal is not None:
            raise StoppedBetweenSteps(self._request.signal, saved=saved)
