"""Watch the gradients of a model that measures them, and report where they vanish or explode."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras

from .gradient_metric import unique_paths

_NEEDED = ("gradient_norm", "gradient_clipped", "gradient_skipped")


class GradientNormMonitor(keras.callbacks.Callback):
    """Publish gradient norms per layer and warn when the gradients are not healthy.

    Use it in every training: it tells a learning rate that is too high (norms explode, clipping
    binds in nearly every step, steps are skipped) from a signal that does not reach the first
    layers (norms fall by orders of magnitude towards the input).

    Keras shows no gradients to callbacks, so the model measures them in its training step. One
    line makes any functional or sequential model do so, before it is compiled (TensorFlow
    backend): ``model = MonitoredModel(model.inputs, model.outputs)``. Any other model will do that
    publishes ``gradient_norm``, ``gradient_clipped`` and ``gradient_skipped`` and has an attribute
    ``gradient_norms`` whose ``mean_norms()`` gives the mean norm of the epoch by variable path,
    also once a validation has reset the metrics.

    Reads: the logs above. Publishes: ``gradient_norm/<layer>`` for every layer with a kernel,
    every epoch; NaN if no step was applied. Costs: one small read per epoch. An alarm is given
    when a condition begins, and a line when it ends; skipped steps are reported in each epoch. What
    was not measured (all steps were skipped, or it is not known how many are clipped) is not
    judged. A training that begins (at epoch 1, and not from a state) begins without a condition.

    Args:
        layers_every: epochs between two lines with the norms of all layers, at least 1.
        vanishing: alarm when the epoch's mean norm is below this, at least 0.
        exploding: alarm when the epoch's mean norm is above this, above `vanishing`.
        clipping: alarm when this fraction of the steps is clipped, above 0 and at most 1.
        log: called with each line.
        alarm: called with each alarm.

    Raises:
        ValueError: an argument is out of its range, or the model measures no gradients.

    Example:

    ```python
    model = MonitoredModel(model.inputs, model.outputs)
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    monitor = GradientNormMonitor(layers_every=2)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
    ```

    Source:
        Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".
    """

    def __init__(
        self,
        layers_every: int = 5,
        vanishing: float = 1e-4,
        exploding: float = 100.0,
        clipping: float = 0.95,
        log: Callable[[str], None] = print,
        alarm: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        if layers_every < 1:
            raise ValueError(
                "Invalid value received for argument `layers_every`. Expected at least 1. "
                f"Received: layers_every={layers_every}"
            )
        if not 0 <= vanishing < exploding:
            raise ValueError(
                "Expected 0 <= vanishing < exploding. "
                f"Received: vanishing={vanishing}, exploding={exploding}"
            )
        if not 0 < clipping <= 1:
            raise ValueError(
                "Invalid value received for argument `clipping`. Expected a fraction above 0 and "
                f"at most 1. Received: clipping={clipping}"
            )
        self.layers_every = layers_every
        self.vanishing = vanishing
        self.exploding = exploding
        self.clipping = clipping
        self.log = log
        self.alarm = alarm
        self._lasting: dict[str, int] = {}
        self._restored = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuse a model that measures no gradients."""
        if not hasattr(getattr(self.model, "gradient_norms", None), "mean_norms"):
            raise ValueError(
                "GradientNormMonitor needs a model whose training step measures its gradients. "
                "Before compiling, write `model = MonitoredModel(model.inputs, model.outputs)`; "
                "or give it an attribute `gradient_norms` that has `mean_norms()`. "
                f"Received: model={self.model}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier training where one begins."""
        if epoch == 0 and not self._restored:
            self._lasting = {}
        self._restored = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Publish the norms of the layers; log them now and then; raise alarms."""
        logs = {} if logs is None else logs
        missing = [key for key in _NEEDED if key not in logs]
        if missing:
            raise ValueError(
                f"GradientNormMonitor reads {', '.join(_NEEDED)} from the logs. "
                f"Received: logs without {', '.join(missing)}"
            )
        layers = layer_norms(self.model.gradient_norms.mean_norms())
        for path in self._layers():
            logs[f"gradient_norm/{path}"] = layers.get(path, math.nan)
        epoch += 1
        if epoch % self.layers_every == 0 and layers:
            self.log(f"epoch {epoch}: gradient norms by layer: {describe(layers)}")
        self._judge(epoch, logs)

    def get_state(self) -> dict[str, Any]:
        """Since which epoch each condition lasts, for JSON."""
        return {"lasting": dict(self._lasting)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._lasting = dict(state["lasting"])
        self._restored = True

    def _layers(self) -> list[str]:
        # What the optimizer knows: a layer that is frozen for some epochs has its column all along.
        known = self.model.optimizer._trainable_variables or self.model.trainable_weights
        paths = dict(
            zip(map(id, self.model.weights), unique_paths(self.model.weights), strict=True)
        )
        return list(layer_norms({paths.get(id(v), v.path): 0.0 for v in known}))

    def _judge(self, epoch: int, logs: Mapping[str, Any]) -> None:
        norm = float(logs["gradient_norm"])
        clipped = float(logs["gradient_clipped"])
        skipped = float(logs["gradient_skipped"])
        if skipped:
            advice = "lower the learning rate or look at the data"
            if isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer):
                advice = (
                    f"one now and then is how the loss scale finds its bound; of many, {advice}"
                )
            self.alarm(
                f"epoch {epoch}: {skipped:.0f} step(s) had a loss or gradient that was not "
                f"finite and were skipped; {advice}"
            )
        self._report(
            epoch,
            "vanishing",
            norm,
            norm < self.vanishing,
            f"gradients vanish: mean norm {norm:.2g}, below {self.vanishing:g}",
        )
        self._report(
            epoch,
            "exploding",
            norm,
            norm > self.exploding,
            f"gradients explode: mean norm {norm:.4g}, above {self.exploding:g}; "
            "lower the learning rate",
        )
        self._report(
            epoch,
            "clipping",
            clipped,
            clipped >= self.clipping,
            f"{clipped:.0%} of the steps were clipped (mean norm {norm:.3g}): the clip norm sets "
            "the step, not the learning rate; raise it or lower the learning rate",
        )

    def _report(self, epoch: int, condition: str, figure: float, holds: bool, message: str) -> None:
        if math.isnan(figure):
            return
        if holds and condition not in self._lasting:
            self._lasting[condition] = epoch
            self.alarm(f"epoch {epoch}: {message}")
        elif not holds and condition in self._lasting:
            since = self._lasting.pop(condition)
            self.log(f"epoch {epoch}: gradients: {condition} since epoch {since} is over")


def layer_norms(norms: Mapping[str, float]) -> dict[str, float]:
    """Norm by layer from norms by variable path; layers without a kernel are left out.

    The norms of several kernels of one layer (a separable convolution) are added as squares.
    """
    squares: dict[str, float] = {}
    for path, norm in norms.items():
        layer, _, variable = path.rpartition("/")
        if variable.endswith("kernel"):
            squares[layer] = squares.get(layer, 0.0) + norm**2
    return {layer: math.sqrt(square) for layer, square in squares.items()}


def describe(layers: Mapping[str, float]) -> str:
    """Write norms by layer on one line, from the input on, with their spread."""
    listed = ", ".join(f"{layer} {norm:.2g}" for layer, norm in layers.items())
    smallest = min(layers, key=lambda layer: layers[layer])
    if not layers[smallest]:
        return f"{listed} (none reaches {smallest})"
    spread = max(layers.values()) / layers[smallest]
    return f"{listed} (smallest at {smallest}, 1/{spread:.0f} of the largest)"
