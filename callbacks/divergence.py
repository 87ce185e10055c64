"""Leave a training that has diverged."""

from __future__ import annotations

import math
from typing import Any

import keras


class Diverged(Exception):
    """Several steps in a row had a loss or a gradient that was not finite.

    Attributes:
        epoch: the epoch, counted from 1.
        step: steps of that epoch that are done.
        in_a_row: how many steps were skipped since one was applied; None where it is not known,
            as the model skips none.

    Example:

    ```python
    try:
        model.fit(x, y, epochs=2, verbose=0, callbacks=[DivergenceGuard()])
    except Diverged as diverged:
        print(diverged)  # epoch 1, 20 steps done: ...
    ```
    """

    def __init__(self, epoch: int, step: int, in_a_row: int | None) -> None:
        if in_a_row is None:
            reason = "the loss is not finite"
        else:
            reason = f"the last {in_a_row} steps had a loss or gradient that was not finite"
        super().__init__(f"epoch {epoch}, {step} steps done: {reason}")
        self.epoch = epoch
        self.step = step
        self.in_a_row = in_a_row


class DivergenceGuard(keras.callbacks.Callback):
    """Raise `Diverged` out of `fit` when no step could be applied for a while.

    Catch the exception to go back to an earlier state, for instance with a lower learning rate.

    A `MonitoredModel` skips broken steps and counts them, so that a single one is no reason to
    stop; many in a row mean that the weights have gone where there is no way on. Any other model
    applies a broken step and is lost with it: there the guard looks at the running mean of the
    loss, which stays NaN or infinite once it is: at any metric called "loss", or, where the model
    has none, at the logs of the epoch. A loss-scaling optimizer (``mixed_float16``) applies none:
    there the guard looks at the weights too, and raises where these are not finite, or where that
    many steps in a row were not applied.

    Reads and publishes no logs. Costs: one scalar read every `in_a_row` steps (with loss scaling
    all weights, in an epoch with a broken step), so that up to twice as many may be broken before
    it is seen; with ``steps_per_execution=n``, up to n more. Steps that were skipped before `fit`
    was called do not count.

    Args:
        in_a_row: skipped steps in a row from which it has diverged, at least 1; also, how many
            steps lie between two looks.

    Raises:
        ValueError: `in_a_row` is below 1.
        Diverged: the training has diverged.

    Example:

    ```python
    model.fit(x, y, epochs=2, verbose=0, callbacks=[DivergenceGuard(in_a_row=5)])
    ```
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
        self._looked = 0
        self._done = 0
        self._applied: int | None = None
        self._unseen = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the steps that were skipped in an earlier training."""
        counter = self._counter()
        self._applied, self._unseen = self._steps_applied(), 0
        if counter is not None:
            counter.assign(0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch + 1
        self._looked = self._done = 0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look, now and then: `batch` steps are done."""
        self._done = batch
        # Not at the end of a batch: Keras would fetch the logs for it in every step.
        if batch - self._looked < self.in_a_row:
            return
        self._unseen += batch - self._looked
        self._looked = batch
        # JAX keeps the state outside of the model while an epoch runs.
        getattr(self.model, "jax_state_sync", lambda: None)()
        self._look(batch, self._mean_losses())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Look, since an epoch may have fewer steps."""
        # Of a generator Keras learns its end by beginning one more step.
        steps = self.params.get("steps") or self._done
        self._unseen += max(0, steps - self._looked)
        self._look(steps, [(logs or {}).get("loss", 0.0)])

    def _look(self, step: int, losses: list[float]) -> None:
        counter = self._counter()
        if counter is None:
            if not all(map(math.isfinite, losses)):
                self._look_at_scaled(step)
            return
        skipped = int(keras.ops.convert_to_numpy(counter))
        if skipped >= self.in_a_row:
            raise Diverged(self._epoch, step, skipped)

    def _counter(self) -> Any:
        return getattr(getattr(self.model, "gradient_norms", None), "skipped_in_a_row", None)

    def _look_at_scaled(self, step: int) -> None:
        """Raise, unless an optimizer that scales the loss goes on and keeps broken steps away."""
        applied = self._steps_applied()
        if applied is None or not all(
            bool(keras.ops.all(keras.ops.isfinite(each)))
            for each in self.model.weights
            if keras.backend.is_float_dtype(each.dtype)
        ):
            raise Diverged(self._epoch, step, None)
        if applied != self._applied:
            self._applied, self._unseen = applied, 0
        elif self._unseen >= self.in_a_row:
            raise Diverged(self._epoch, step, self._unseen)

    def _steps_applied(self) -> int | None:
        """Steps that an optimizer which scales the loss has applied; None for any other."""
        optimizer = self.model.optimizer
        if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            return None
        # `iterations` counts updates, of which gradients that are accumulated make few.
        return int(keras.ops.convert_to_numpy(optimizer.inner_optimizer._iterations))

    def _mean_losses(self) -> list[float]:
        # A model may have one of its own beside that of Keras.
        means = (metric for metric in self.model.metrics if metric.name == "loss")
        return [float(keras.ops.convert_to_numpy(mean.result())) for mean in means]
