"""A training step that measures its gradients and never applies a broken one."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from .gradient_metric import GradientNorms, unique_paths


@keras.saving.register_keras_serializable(package="ferkeras")
class MonitoredModel(keras.Model):
    """A functional model that watches its gradients in every training step.

    Each step takes the norm of every gradient before clipping. If the loss or a gradient is not
    finite, the step is skipped and counted: weights, optimizer state, the running statistics of
    BatchNormalization and the epoch's loss and metrics stay as they were. Otherwise the optimizer
    clips (its own ``global_clipnorm``) and applies. An epoch's logs gain the five
    `GradientNorms.keys`; `test_step` leaves them out. Nothing is read back from the device
    within an epoch. Where a batch reads a row of an embedding several times, its gradients are
    added before they are measured, clipped and applied; Keras would clip them one by one.

    With ``clipnorm`` a step is clipped where that shortens any gradient; with ``clipvalue``, a
    `keras.optimizers.MultiOptimizer`, or clipping and ``gradient_accumulation_steps``,
    ``gradient_clipped`` is NaN, because it is not known.

    Build it as any functional model and set the clip norm where Keras has it, on the optimizer:
    that is saved, loaded and cloned with the compiled model. A loss-scaling optimizer
    (``mixed_float16``) still lowers its scale on a broken gradient; norms are those of the
    unscaled loss. If every step of an epoch was skipped, its loss and metrics are NaN.

    Any functional or sequential model becomes one by one line, before it is compiled:
    ``model = MonitoredModel(model.inputs, model.outputs)``; where a functional model names its
    inputs or outputs by dicts, ``MonitoredModel(model.input, model.output)`` keeps them. Layers and
    weights are shared, so that what is trained can be saved as the plain model that it was made of.

    With metric objects (not names such as ``"accuracy"``) the step is traced once.
    It needs the TensorFlow backend, because it holds the gradient tape itself, and one device:
    under another `tf.distribute` strategy than that of one device gradients would have to be
    reduced first.

    Args:
        *args: as for `keras.Model`: inputs, outputs.
        **kwargs: as for `keras.Model`: inputs, outputs, name, trainable.

    Attributes:
        gradient_norms: the `GradientNorms` of the running epoch.

    Raises:
        RuntimeError: Keras runs on another backend than TensorFlow, or trains on several devices.

    Example:

    ```python
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model = MonitoredModel(plain.inputs, plain.outputs)
    model.compile(
        keras.optimizers.Adam(1e-3, global_clipnorm=5.0), loss="sparse_categorical_crossentropy"
    )
    history = model.fit(x, y, epochs=2, verbose=0).history
    history["gradient_norm"]
    ```
    """

    # Keras recognises a functional subclass that it can save and clone by exactly this signature.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                "MonitoredModel needs the TensorFlow backend (KERAS_BACKEND=tensorflow). "
                f"Received: backend={keras.backend.backend()}"
            )
        super().__init__(*args, **kwargs)
        self.gradient_norms = GradientNorms(unique_paths(self.weights))

    @property
    def global_clip_norm(self) -> float | None:
        """The norm that the compiled optimizer clips to, or None."""
        optimizer: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return optimizer.global_clipnorm

    def make_train_function(self, force: bool = False) -> Any:
        """Build the optimizer, then the training function.

        Raises:
            RuntimeError: the model was made under a strategy of several devices.
        """
        import tensorflow as tf

        strategy = self.distribute_strategy
        several = self._distribute_strategy is not None or tf.distribute.has_strategy()
        if several and not isinstance(strategy, tf.distribute.OneDeviceStrategy):
            raise RuntimeError(
                "MonitoredModel trains on one device: build and compile it outside of the scope of "
                "a tf.distribute strategy, or train the plain model, without GradientNormMonitor. "
                f"Received: {type(strategy).__name__}"
            )
        # Inside the traced step its variables would cost a second trace.
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_weights)
        return super().make_train_function(force)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Measure, guard, clip and apply one batch; return the metrics so far."""
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        inputs = keras.tree.flatten(x)
        # The losses of several outputs are counted where the loss is computed.
        losses = self._loss_variables()
        # Those of layers, or of a `compute_loss` of one's own, are updated before it is known.
        metrics = [v for each in self.metrics if each is not self.gradient_norms
                   for v in each.variables]  # fmt: skip
        kept = [*self.non_trainable_weights, *losses, *metrics]
        before = [tf.convert_to_tensor(v.value) for v in kept]
        loss_scale = self.optimizer.scale_loss(1.0)

        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            # As Keras does, for overrides without `training` too.
            loss = self._compute_loss(x, y, y_pred, sample_weight, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.trainable_weights)

        for metric in self.metrics:
            # Keras makes metrics of names at their first update, which may be skipped here.
            if not getattr(metric, "built", True):
                metric.build(y, y_pred)

        gradients = [
            _without_repetition(gradient, variable.shape[0])
            if isinstance(gradient, tf.IndexedSlices)
            else gradient
            for gradient, variable in zip(gradients, self.trainable_weights, strict=True)
        ]
        norms = self._norms(gradients, loss_scale)
        global_norm = tf.norm(list(norms.values()))
        finite = tf.math.is_finite(loss) & tf.math.is_finite(global_norm)

        def apply() -> None:
            for metric in self.metrics:
                if metric.name == "loss":
                    # Inputs that are optional may be None.
                    batch_size = tf.shape(next(each for each in inputs if each is not None))[0]
                    metric.update_state(loss, sample_weight=batch_size)
            self.compute_metrics(x, y, y_pred, sample_weight)
            self.optimizer.apply(gradients, self.trainable_weights)

        def skip() -> None:
            for variable, value in zip(kept, before, strict=True):
                variable.assign(value)
            # In an eager first step Keras makes them with the loss.
            for variable in self._loss_variables()[len(losses) :]:
                variable.assign(0)
            if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
                # It lowers its scale only when it is handed what it cannot apply.
                broken = [
                    tf.fill(v.shape, tf.constant(np.nan, v.dtype)) for v in self.trainable_weights
                ]
                self.optimizer.apply(broken, self.trainable_weights)

        tf.cond(finite, apply, skip)

        paths = dict(zip(unique_paths(self.weights), map(id, self.weights), strict=True))
        self.gradient_norms.update_state(
            tf.stack([norms.get(paths[path], np.nan) for path in self.gradient_norms.paths]),
            global_norm,
            finite,
            clipped=self._clipped(list(norms.values()), global_norm),
        )
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluate one batch; return the metrics so far, without those of gradients."""
        results = super().test_step(data)
        return {key: value for key, value in results.items() if key not in GradientNorms.keys}

    def get_metrics_result(self) -> dict[str, Any]:
        """All metrics; NaN, and not 0, where every step was skipped."""
        results = super().get_metrics_result()
        norms = self.gradient_norms
        nothing = (norms.skipped.value > 0) & (norms.applied.value == 0)
        return {
            key: value if key in GradientNorms.keys else keras.ops.where(nothing, np.nan, value)
            for key, value in results.items()
        }

    def _loss_variables(self) -> list[keras.Variable]:
        return [] if self._compile_loss is None else self._compile_loss.variables

    def _clipped(self, norms: list[Any], global_norm: Any) -> Any:
        """Whether the optimizer shortens this step; NaN if that is not known."""
        optimizer: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if hasattr(optimizer, "optimizers"):  # each with a norm of its own
            return np.nan
        if not (optimizer.clipvalue or optimizer.clipnorm or self.global_clip_norm):
            return False
        if optimizer.clipvalue or optimizer.gradient_accumulation_steps:
            return np.nan
        if optimizer.clipnorm:
            return keras.ops.max(norms) > optimizer.clipnorm
        return global_norm > self.global_clip_norm

    def _norms(self, gradients: list[Any], loss_scale: Any) -> dict[int, Any]:
        """Norm of each gradient of the unscaled loss, by the id of its variable."""
        import tensorflow as tf

        norms = {}
        for variable, gradient in zip(self.trainable_weights, gradients, strict=True):
            if gradient is None:
                continue
            values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
            # l2_loss is half of the squared sum, in one pass and without a copy.
            squared = 2.0 * tf.nn.l2_loss(tf.cast(values, tf.float32))
            norms[id(variable)] = tf.sqrt(squared) / loss_scale
        return norms


def _without_repetition(gradient: Any, rows: int) -> Any:
    """The gradient of an embedding with the sum of each row in its first slice, 0 in the others."""
    import tensorflow as tf

    # All shapes are known, as XLA wants them.
    count = tf.size(gradient.indices)
    first = tf.math.unsorted_segment_min(tf.range(count), gradient.indices, rows)
    values = tf.math.unsorted_segment_sum(
        gradient.values, tf.gather(first, gradient.indices), count
    )
    return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
