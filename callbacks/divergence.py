"""Leave a training that has diverged."""

from __future__ import annotations

from typing import Any

import keras


class Diverged(Exception):
    """Several steps in a row had a loss or a gradient that was not finite.

    Attributes:
        epoch: the epoch, counted from 1.
        step: steps of that epoch that are done.
        in_a_row: how many steps were skipped since one was applied.
    """

    def __init__(self, epoch: int, step: int, in_a_row: int) -> None:
        super().__init__(
            f"epoch {epoch}, {step} steps done: the last {in_a_row} steps had a loss or gradient "
            "that was not finite"
        )
        self.epoch = epoch
        self.step = step
        self.in_a_row = in_a_row


class DivergenceGuard(keras.callbacks.Callback):
    """Raise `Diverged` out of `fit` when no step could be applied for a while.

    A single broken step is no reason to stop, since the model skips it; many in a row mean that
    the weights have gone where there is no way on. Catch the exception to go back to an earlier
    state, for instance with a lower learning rate.

    The model measures, in its training step: it has an attribute ``gradient_norms`` with an
    integer variable ``skipped_in_a_row``.

    Reads and publishes no logs. Costs: one scalar read every `in_a_row` steps, so that up to
    twice as many may be skipped before it is seen.

    Args:
        in_a_row: skipped steps in a row from which it has diverged, at least 1.

    Raises:
        ValueError: `in_a_row` is below 1, or the model does not count skipped steps.
        Diverged: the training has diverged.
    """

    def __init__(self, in_a_row: int = 10) -> None:
        super().__init__()
        if in_a_row < 1:
            raise ValueError(
                "Invalid value received for argument `in_a_row`. Expected at least 1. "
                f"Received: in_a_row={in_a_row}"
            )
        self.in_a_row = in_a_row
        self._epoch = 1
        self._counter: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuse a model that does not count."""
        norms = getattr(self.model, "gradient_norms", None)
        self._counter = getattr(norms, "skipped_in_a_row", None)
        if self._counter is None:
            raise ValueError(
                "DivergenceGuard needs a model whose training step counts skipped steps: with an "
                "attribute `gradient_norms` that has a variable `skipped_in_a_row`. "
                f"Received: model={self.model}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look, now and then: `batch` steps are done."""
        # Not at the end of a batch: Keras would fetch the logs for it in every step.
        if batch % self.in_a_row == 0:
            self._look(batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Look, since an epoch may have fewer steps."""
        self._look(self.params.get("steps") or 0)

    def _look(self, step: int) -> None:
        skipped = int(keras.ops.convert_to_numpy(self._counter))
        if skipped >= self.in_a_row:
            raise Diverged(self._epoch, step, skipped)
