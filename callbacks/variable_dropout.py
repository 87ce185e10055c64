"""Dropout whose rate can be changed while a compiled training step runs."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_LEAST_KEPT = 1e-4
"""Smallest fraction that what is kept is scaled for; half precision holds its inverse."""


@keras.saving.register_keras_serializable(package="ferkeras")
class VariableDropout(keras.layers.Layer):
    """Set a fraction of the inputs to zero in training, with a rate that can be assigned.

    `keras.layers.Dropout` holds its rate as a Python float, which a traced training step bakes
    in. Here `rate` is a scalar weight: ``layer.rate.assign(0.2)`` acts from the next step on,
    without a retrace, and is saved and restored with the other weights. What is kept is scaled
    by 1 / (1 - rate). In inference the inputs pass unchanged and no random operation remains.

    Args:
        rate: fraction of the inputs to drop at first, 0 to 1. At 0 all of them pass, at 1 none
            does.
        seed: integer for a reproducible order of masks, or None to draw one from Keras's
            global seed.
        group: name of the layers that it belongs to, by which a program finds those whose rates
            change together.

    Call arguments:
        inputs: float tensor of any shape; the output has the same shape and dtype.
        training: whether to drop.

    Raises:
        ValueError: the rate is outside [0, 1].

    Example:

    ```python
    dropout = VariableDropout(0.1)
    model = keras.Sequential([keras.Input((4,)), dropout, keras.layers.Dense(3)])
    dropout.rate.assign(0.5)  # acts from the next step on
    ```

    Source:
        Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from
        overfitting".
    """

    def __init__(
        self, rate: float, seed: int | None = None, group: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(
                "Invalid value received for argument `rate`. Expected a float from 0 to 1. "
                f"Received: rate={rate}"
            )
        self.seed = seed
        self.group = group
        self.seed_generator = keras.random.SeedGenerator(seed)
        # Half precision would round a rate of 0.1 by more than one step of a slow ramp.
        self.rate = self.add_weight(
            name="rate",
            shape=(),
            dtype="float32",
            initializer=keras.initializers.Constant(rate),
            trainable=False,
            autocast=False,
        )
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop inputs if `training`; pass them otherwise."""
        if not training:
            return inputs
        rate = ops.convert_to_tensor(self.rate)
        # Drawn at a rate of 0 too, so that later masks do not depend on when the rate rose.
        drawn = _Drawn(self.seed_generator.next())

        def dropped() -> Any:
            uniform = keras.random.uniform(ops.shape(inputs), dtype="float32", seed=drawn)
            # A rate of 1 drops all: an infinite scale would make the gradients of the inputs NaN.
            scale = ops.cast(1.0 / ops.maximum(1.0 - rate, _LEAST_KEPT), inputs.dtype)
            return ops.where(uniform >= rate, inputs * scale, ops.zeros((), inputs.dtype))

        return ops.cond(rate > 0, dropped, lambda: inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments, with the rate that is in force now."""
        rate = float(ops.convert_to_numpy(self.rate))
        return {**super().get_config(), "rate": rate, "seed": self.seed, "group": self.group}


class _Drawn(keras.random.SeedGenerator):
    """A seed that was drawn before, in the form that Keras's random operations take."""

    def __init__(self, seed: Any) -> None:
        self._seed = seed

    def next(self, ordered: bool = True) -> Any:
        """The seed; nothing moves on."""
        return self._seed
